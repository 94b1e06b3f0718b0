// How well a model foresees a text: mean negative log-likelihood of a token in nats, its exponential, and
// how often the likeliest token is the right one; against another precision also the mean KL divergence.
//
//     perplexity model.gguf text.txt --precision int4 --kv int8 --against fp32
#include "support/language/model.hpp"
#include "support/output.hpp"

#include <nibble/io/file.hpp>
#include <nibble/io/json.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace {

struct Options {
    std::string model, text, tokenizer, precision = "fp32", kv = "fp32", against,
                                        against_kv = "fp32";
    std::size_t context = 0, tokens = 0;
    int threads = 0;
    bool json = false;
};

/// log softmax of a row.
void log_shares(const float* logits, std::vector<double>& to) {
    double top = -INFINITY, sum = 0;
    for (std::size_t i = 0; i < to.size(); ++i) top = std::fmax(top, double(logits[i]));
    for (std::size_t i = 0; i < to.size(); ++i) sum += std::exp(double(logits[i]) - top);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = double(logits[i]) - top - std::log(sum);
}

int run(const Options& o) {
    using namespace nibble;
    Host on(o.threads);
    const auto model = examples::load_language_model(on, o.model, o.precision);
    const auto other =
        o.against.empty() ? nullptr : examples::load_language_model(on, o.model, o.against);
    const Tokenizer words = examples::tokenizer_for(o.tokenizer, o.model, model->vocabulary());
    const auto file = MappedFile::open(o.text);
    auto ids =
        words.encode({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
    const std::size_t length =
        o.context == 0 ? model->context() : std::min(o.context, model->context());
    if (o.tokens != 0 && ids.size() > o.tokens + 1) ids.resize(o.tokens + 1);
    if (ids.size() < 2) fail("\"" + o.text + "\": fewer than two tokens");

    auto sequence = examples::make_sequence(o.kv, model->kv());
    auto other_sequence = examples::make_sequence(o.against_kv, model->kv());
    std::vector<double> p(model->vocabulary()), q(p.size());
    double loss = 0, other_loss = 0, divergence = 0;
    std::size_t right = 0, count = 0;
    const std::size_t all = ids.size() - 1;
    auto next_report = std::chrono::steady_clock::now();
    for (std::size_t first = 0; first < all; first += length) {
        const std::size_t n = std::min(length, all - first);
        const std::span<const std::int32_t> window(ids.data() + first, n);
        sequence.clear();
        other_sequence.clear();
        const auto logits = model->read(on, sequence, window);
        const auto expected = other ? other->read(on, other_sequence, window) : Tensor<float>();
        for (std::size_t t = 0; t < n; ++t) {
            const auto next = std::size_t(ids[first + t + 1]);
            log_shares(logits.view().row(t), p);
            loss -= p[next];
            right += std::size_t(std::max_element(p.begin(), p.end()) - p.begin()) == next;
            if (!other) continue;
            log_shares(expected.view().row(t), q);
            other_loss -= q[next];
            for (std::size_t i = 0; i < p.size(); ++i) divergence += std::exp(q[i]) * (q[i] - p[i]);
        }
        count += n;
        if (!o.json && (count == all || std::chrono::steady_clock::now() > next_report)) {
            std::fprintf(stderr, "\r%zu of %zu tokens, %.4f nats ", count, all,
                         loss / double(count));
            next_report = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
        }
    }
    const double mean = loss / double(count);
    if (!std::isfinite(mean)) fail("the model's logits are no finite numbers");
    Json report{{"tokens", count},
                {"context", length},
                {"nats", mean},
                {"perplexity", std::exp(mean)},
                {"top1", double(right) / double(count)},
                {"precision", o.precision},
                {"kv", o.kv},
                {"weight_bytes", model->bytes()}};
    if (other) {
        report["against"] = o.against;
        report["against_nats"] = other_loss / double(count);
        report["kl"] = divergence / double(count);
    }
    if (o.json) {
        std::printf("%s\n", report.dump().c_str());
        finish_output();
        return 0;
    }
    std::fputs("\n", stderr);
    std::printf("%.6f nats a token, perplexity %.4f, likeliest right %.4f, %zu tokens (%s, %s)\n",
                mean, std::exp(mean), double(right) / double(count), count, o.precision.c_str(),
                o.kv.c_str());
    if (other)
        std::printf("%+.6f nats and a mean divergence of %.3g nats against %s\n",
                    mean - other_loss / double(count), divergence / double(count),
                    o.against.c_str());
    finish_output();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o;
    CLI::App app("How well a language model foresees a text.");
    app.add_option("model", o.model,
                   "a folder with config.json, a .safetensors file, .gguf, or llama2.c's .bin")
        ->required();
    app.add_option("text", o.text, "a file of plain text")->required();
    app.add_option("--tokenizer", o.tokenizer, "where it is not in or beside the model");
    const auto precisions = CLI::IsMember({"fp32", "bf16", "int8", "int4"});
    const auto formats = CLI::IsMember({"fp32", "fp16", "bf16", "fp8", "int8", "int4"});
    app.add_option("--precision", o.precision,
                   "of the weights; int4 is int4-g32, other formats of a file are rounded to it")
        ->check(precisions)
        ->capture_default_str();
    app.add_option("--kv", o.kv, "of keys and values")->check(formats)->capture_default_str();
    app.add_option("--against", o.against, "compare with the model in this precision")
        ->check(precisions);
    app.add_option("--against-kv", o.against_kv, "and its keys and values")
        ->check(formats)
        ->capture_default_str();
    app.add_option("--context", o.context, "tokens of a window; 0: the model's context")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--limit", o.tokens, "only so many tokens of the text; 0: all")
        ->check(CLI::NonNegativeNumber);
    app.add_option("--threads", o.threads, "0: all")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_flag("--json", o.json, "the result as JSON, and nothing else");
    app.footer("Exit codes: 0 done, 1 a file or a number was refused, 2 wrong usage.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    try {
        return run(o);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "perplexity: %s\n", e.what());
        return 1;
    }
}
