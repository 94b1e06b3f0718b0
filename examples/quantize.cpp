// Quantize a language model: `quantize IN OUT --calibrate text.txt`. GPT-2, Llama and Mistral from
// safetensors, GGUF or llama2.c's form; out comes a checkpoint of nibble's. Explained in
// docs/quantizing.md.
//
// Exit codes: 0 done, 1 something failed (the message says what), 2 the command line was not understood.
#include "support/output.hpp"

#include <nibble/io/tokenizer_file.hpp>
#include <nibble/model/links.hpp>
#include <nibble/model/open.hpp>
#include <nibble/model/save_quantized.hpp>
#include <nibble/ptq/report_html.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace nibble;

namespace {

struct Options {
    std::string in, out, policy, calibrate, tokenizer, budget, method = "gptq",
                                                               format = "int4-g128";
    std::vector<std::string> reports;
    std::size_t windows = 128, length = 0, judged = 200;
    int tune = 0, threads = 0;
    bool smooth = false, rotate = false, quiet = false;
};

std::string contents(const std::string& path) {
    const auto file = MappedFile::open(path);
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// One line that is written over while work goes on.
ptq::Progress progress_line(bool quiet) {
    if (quiet) return {};
    return [last = std::string()](const std::string& what, std::size_t done,
                                  std::size_t total) mutable {
        const std::string line = what + " " + std::to_string(done) + "/" + std::to_string(total);
        const std::size_t blank = last.size() > line.size() ? last.size() - line.size() : 0;
        std::fprintf(stderr, "\r%s%s", line.c_str(), std::string(blank, ' ').c_str());
        if (done == total && what == "calibrate") std::fprintf(stderr, "\n");
        last = line;
    };
}

/// Windows to calibrate with, from the first nine tenths of a text, and to judge by, from the rest.
struct Text {
    ptq::Windows calibration, judged;
};
Text cut(const std::vector<std::int32_t>& ids, const Options& options, std::size_t length,
         std::size_t vocabulary) {
    const std::span<const std::int32_t> all = ids;
    const auto spread = [&](std::span<const std::int32_t> part, std::size_t most) {
        const std::size_t there = part.size() / (length + 1);
        return ptq::windows_of(
            part, length, std::max<std::size_t>(1, there / std::max<std::size_t>(most, 1)), most);
    };
    // What the exact model says of every token that is judged stays in memory: at most 1 GB.
    const std::size_t room = std::max<std::size_t>(1, (std::size_t{1} << 28) / vocabulary / length);
    const std::size_t split = ids.size() / 10 * 9;
    return {spread(all.first(split), options.windows),
            spread(all.subspan(split), std::min(options.judged, room))};
}

void write_report(const ptq::Report& report, const std::string& path) {
    AtomicFile file(path);
    file.write(path.ends_with(".html")   ? ptq::to_html(report)
               : path.ends_with(".json") ? ptq::to_json(report)
                                         : ptq::to_text(report));
    file.commit();
}

/// What the command line and the policy's file say; the file's rules come first, then the budget or
/// the one format.
ptq::Recipe recipe_of(const Options& options) {
    ptq::Recipe recipe{.method = ptq::method_named(options.method),
                       .smooth = options.smooth,
                       .rotate = options.rotate};
    recipe.tune.steps = options.tune;
    if (!options.policy.empty())
        recipe.policy = ptq::parse_policy(contents(options.policy), "\"" + options.policy + "\"");
    return recipe;
}

/// Fails where a file cannot be written; leaves nothing.
void expect_writable(const std::string& path) { const AtomicFile nothing(path); }

template <class M>
void run(const Options& options, ptq::Recipe recipe, const ModelFile& file, std::size_t context,
         std::size_t vocabulary) {
    // quote: quantize
    ptq::Watched on(options.threads);
    auto model = file.load<M>(on);
    ptq::Network net = linked_network(on, model);
    // end quote
    const auto progress = progress_line(options.quiet);
    ptq::Report report;
    report.model = options.in;
    Text text;
    if (!options.calibrate.empty()) {
        const auto at = options.tokenizer.empty() ? find_tokenizer(options.in, vocabulary)
                                                  : std::optional(options.tokenizer);
        if (!at) fail("no tokenizer beside \"" + options.in + "\": name one with --tokenizer");
        const Tokenizer words = read_tokenizer(*at, vocabulary);
        const auto ids = words.encode(contents(options.calibrate), {.ends = false});
        const std::size_t length = options.length != 0 ? std::min(options.length, context)
                                                       : std::min<std::size_t>(context, 256);
        try {
            text = cut(ids, options, length, vocabulary);
        } catch (const Error& e) {
            fail("\"" + options.calibrate + "\": " + e.what());
        }
    }
    const bool judge = text.judged.count() != 0;
    ptq::Reference exact;
    if (judge) {
        exact = ptq::reference_of(on, text.judged, net.forward);
        report.before = ptq::evaluate(on, text.judged, net.forward, &exact);
    }

    if (text.calibration.length != 0)
        recipe.tune.batch = std::max<std::size_t>(1, 512 / text.calibration.length);
    for (const ptq::Rule& rule : recipe.policy.rules)
        if (std::none_of(
                net.parameters.begin(), net.parameters.end(),
                [&](const ptq::Parameter& p) { return ptq::matches(rule.pattern, p.name); }))
            std::fprintf(stderr, "\"%s\": no parameter is named by \"%s\"\n",
                         options.policy.c_str(), rule.pattern.c_str());
    const auto named = [policy = recipe.policy](const std::string& name) {
        return std::any_of(policy.rules.begin(), policy.rules.end(),
                           [&](const ptq::Rule& rule) { return ptq::matches(rule.pattern, name); });
    };
    const auto add = [&](const std::string& lines) {
        for (ptq::Rule& rule : ptq::parse_policy(lines, "--format").rules)
            recipe.policy.rules.push_back(std::move(rule));
    };
    add("*wpe.weight bf16");
    if (options.budget.empty()) {
        add("*.weight " + options.format);
    } else {
        if (!judge) fail("--budget measures what each tensor is worth: it needs --calibrate");
        // quote: budget
        std::size_t numbers = 0, fixed = 0;
        const auto free = [&](const std::string& name) {
            return net.at(name).matrix && !named(name) && !name.ends_with("wpe.weight");
        };
        for (const ptq::Parameter& p : net.parameters) {
            numbers += p.value.rows * p.value.cols;
            if (!free(p.name)) {
                QuantizationSpec spec = recipe.policy(p.name);
                if (!p.matrix && spec.granularity != Granularity::none) spec = {};
                fixed += ptq::stored_bytes(spec, p.value.rows, p.value.cols);
            }
        }
        const std::size_t budget = ptq::parse_budget(options.budget, numbers);
        if (budget <= fixed)
            fail("a budget of " + std::to_string(budget) + " bytes, of which " +
                 std::to_string(fixed) + " go to what is not chosen");
        ptq::Statistics seen = ptq::gather(net, text.calibration, free);
        ptq::gather_tables(net, text.calibration, free, seen);
        report.sensitivity = ptq::measure_sensitivity(net, text.calibration.first(24), seen,
                                                      ptq::stock_choices(), free, progress);
        const ptq::Policy chosen = ptq::allocate(report.sensitivity, budget - fixed);
        recipe.policy.rules.insert(recipe.policy.rules.end(), chosen.rules.begin(),
                                   chosen.rules.end());
        // end quote
    }

    // quote: run
    const ptq::Outcome outcome = ptq::quantize(net, text.calibration, recipe, progress);
    save_quantized(model, outcome, options.out, {{"nibble.ptq", options.method}});
    // end quote
    if (!options.quiet) std::fprintf(stderr, "\r%60s\r", "");
    report.method =
        options.method +
        (options.budget.empty() ? " at " + options.format : " within " + options.budget) +
        (options.smooth ? ", smoothed" : "") + (options.rotate ? ", rotated" : "") +
        (options.tune > 0 ? ", tuned " + std::to_string(options.tune) + " steps" : "");
    report.tensors = outcome.all;
    if (judge) report.after = ptq::evaluate(on, text.judged, net.forward, &exact);
    for (const std::string& path : options.reports) write_report(report, path);
    if (!options.quiet) std::fputs(ptq::to_text(report).c_str(), stdout);
    finish_output();
}

}  // namespace

int main(int argc, char** argv) {
    Options o;
    CLI::App app{"Quantizes a GPT-2, Llama or Mistral and says what it cost."};
    app.add_option("in", o.in, "a model: folder, .safetensors, .gguf or llama2.c's .bin")
        ->required();
    app.add_option("out", o.out, "the checkpoint to write (.safetensors)")->required();
    app.add_option("--method", o.method, "gptq, awq, hqq, search or nearest")
        ->capture_default_str();
    app.add_option("--format", o.format, "of every matrix the policy does not name")
        ->capture_default_str();
    app.add_option("--policy", o.policy, "a file of lines: PATTERN FORMAT; the first match wins");
    app.add_option("--calibrate", o.calibrate,
                   "a text: nine tenths calibrate, the last tenth judges");
    app.add_option("--tokenizer", o.tokenizer, "default: what lies beside the model");
    app.add_option("--budget", o.budget, "3.5bpw, 400KB, ...: formats chosen by what they cost");
    app.add_option("--tune", o.tune, "steps of tuning scales and biases afterwards")
        ->check(CLI::NonNegativeNumber);
    app.add_flag("--smooth", o.smooth, "SmoothQuant first, for int8 activations");
    app.add_flag("--rotate", o.rotate, "Hadamard rotations first");
    app.add_option("--windows", o.windows, "windows of text to calibrate with")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--length", o.length, "tokens of a window; default: the context, at most 256");
    app.add_option("--judge", o.judged, "windows of text to judge by")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    app.add_option("--report", o.reports, "a file to write: .html, .json or text; may be repeated");
    app.add_option("--threads", o.threads, "default: all")->check(CLI::NonNegativeNumber);
    app.add_flag("--quiet", o.quiet, "no progress and no report on the terminal");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    // All that can be told at once is told before the work.
    try {
        static_cast<void>(ptq::method_named(o.method));
        static_cast<void>(ptq::parse_policy("* " + o.format, "--format"));
        if (!o.budget.empty()) static_cast<void>(ptq::parse_budget(o.budget, std::size_t{1} << 30));
    } catch (const Error& e) {
        std::fprintf(stderr, "quantize: %s\n", e.what());
        return 2;
    }
    try {
        const ModelFile file = ModelFile::open(o.in);
        ptq::Recipe recipe = recipe_of(o);
        expect_writable(o.out);
        for (const std::string& path : o.reports) expect_writable(path);
        if (file.kind() == ModelKind::gpt2)
            run<Gpt2<float, ptq::Watched>>(o, std::move(recipe), file, file.gpt2().context,
                                           file.gpt2().vocabulary);
        else
            run<Llama<float, ptq::Watched>>(o, std::move(recipe), file, file.llama().context,
                                            file.llama().vocabulary);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "quantize: %s\n", e.what());
        return 1;
    }
    return 0;
}
