// Text from a GPT-2, Llama or Mistral in any of the forms in which they are published, with weights and keys
// and values in the precision of your choice:
//
//     generate model.gguf --prompt "Once upon a time" --precision int4 --kv int8
#include "support/language/model.hpp"
#include "support/output.hpp"

#include <nibble/io/json.hpp>
#include <nibble/io/stop_text.hpp>
#include <nibble/io/text_stream.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>

namespace {

struct Options {
    std::string model, tokenizer, prompt, precision = "fp32", kv = "fp32";
    std::vector<std::string> stops;
    nibble::Sampling how;
    int threads = 0;
    bool json = false, on_and_on = false;
};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

int run(const Options& o) {
    using namespace nibble;
    static_cast<void>(checked(o.how));  // before the time that loading takes
    Host on(o.threads);
    const auto start = Clock::now();
    if (!o.json)
        std::fprintf(stderr, "loading %s as %s ...\n", o.model.c_str(), o.precision.c_str());
    const auto model = examples::load_language_model(on, o.model, o.precision);
    const Tokenizer words = examples::tokenizer_for(o.tokenizer, o.model, model->vocabulary());
    const double load = seconds_since(start);
    auto prompt = words.encode(o.prompt, {.control = true});
    if (prompt.empty())
        fail("the prompt is empty, and texts of this model have no token to begin with");
    if (prompt.size() > model->context())
        std::fprintf(stderr,
                     "the prompt is %zu tokens for a context of %zu: only its last part is read\n",
                     prompt.size(), model->context());
    auto sequence = examples::make_sequence(o.kv, model->kv());
    if (!o.json)
        std::fprintf(stderr, "%zu weights in %zu bytes, %.2f s\n\n", model->weights(),
                     model->bytes(), load);

    // quote: stream
    TextStream stream(words, !o.prompt.empty());
    StopText stop(o.stops);
    std::string text;
    const auto show = [&](std::string_view part) {
        text += part;
        if (o.json) return;
        std::fwrite(part.data(), 1, part.size(), stdout);
        std::fflush(stdout);
    };
    if (!o.json) std::fwrite(o.prompt.data(), 1, o.prompt.size(), stdout);
    std::vector<std::int32_t> made;
    Clock::time_point first;
    const std::size_t kv_bytes =
        model->generate(on, std::move(sequence), prompt, o.how, [&](std::int32_t id) {
            if (made.empty()) first = Clock::now();
            if (words.kind_of(id) == TokenKind::control && !o.on_and_on) return false;
            made.push_back(id);
            show(stop.push(stream.push(id)));
            return !stop.stopped();
        });
    show(stop.push(stream.finish()));
    show(stop.finish());
    // end quote
    const double decode = made.size() < 2 ? 0 : seconds_since(first);
    const double rate = decode > 0 ? double(made.size() - 1) / decode : 0;
    if (o.json) {
        const Json report{{"prompt", o.prompt},
                          {"text", text},
                          {"prompt_tokens", prompt.size()},
                          {"ids", made},
                          {"precision", o.precision},
                          {"kv", o.kv},
                          {"weights", model->weights()},
                          {"weight_bytes", model->bytes()},
                          {"kv_bytes", kv_bytes},
                          {"load_seconds", load},
                          {"tokens_per_second", rate}};
        std::printf("%s\n", report.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    } else {
        std::fprintf(stderr, "\n\n%zu tokens, %.1f a second; keys and values: %zu bytes (%s)\n",
                     made.size(), rate, kv_bytes, o.kv.c_str());
    }
    finish_output();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options o;
    CLI::App app("Text from a language model: GPT-2, Llama, Mistral.");
    app.add_option("model", o.model,
                   "a folder with config.json, a .safetensors file, .gguf, or llama2.c's .bin")
        ->required();
    app.add_option("--prompt", o.prompt, "what the text goes on from");
    app.add_option("--tokenizer", o.tokenizer, "where it is not in or beside the model");
    app.add_option("--precision", o.precision,
                   "of the weights; int4 is int4-g32, other formats of a file are rounded to it")
        ->check(CLI::IsMember({"fp32", "bf16", "int8", "int4"}))
        ->capture_default_str();
    app.add_option("--kv", o.kv, "of keys and values")
        ->check(CLI::IsMember({"fp32", "fp16", "bf16", "fp8", "int8", "int4"}))
        ->capture_default_str();
    app.add_option("--tokens", o.how.tokens, "to make at most")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--temperature", o.how.temperature, "0: always the likeliest token")
        ->capture_default_str();
    app.add_option("--top-k", o.how.top_k, "only the k likeliest; 0: all")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--top-p", o.how.top_p, "only the likeliest that reach p")
        ->capture_default_str();
    app.add_option("--min-p", o.how.min_p, "only those this share as likely as the likeliest")
        ->capture_default_str();
    app.add_option("--repetition", o.how.repetition, "penalty for what was there lately")
        ->capture_default_str();
    app.add_option("--seed", o.how.seed, "equal seeds give equal text")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    app.add_option("--stop", o.stops, "text at which to stop; may be given several times");
    app.add_flag("--ignore-end", o.on_and_on, "go on after the text's end");
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
        std::fprintf(stderr, "generate: %s\n", e.what());
        return 1;
    }
}
