// A tour of precisions: the same small character model trained at each of them, the same spiking
// network run at each of them, one table and one page. See docs/tour.md.
#include "console.hpp"
#include "corpus.hpp"
#include "language.hpp"
#include "machine.hpp"
#include "options.hpp"
#include "report.hpp"
#include "spiking.hpp"

#include <nibble/kernel/executor.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace {

using namespace tour;

// Something wrong with what the user gave: exit code 2.
struct BadInput : std::runtime_error {
    using runtime_error::runtime_error;
};

// Fails now and not after a minute of work.
void expect_writable(const char* option, const std::string& file) {
    if (file.empty()) return;
    if (!std::ofstream(file, std::ios::app))
        throw BadInput(std::string(option) + ": cannot write \"" + file + "\"");
}

Settings settings_for(const Options& options) {
    Settings s;
    s.seed = options.seed;
    s.quick = options.quick;
    s.rate = 4e-3;
    s.steps = options.steps != 0 ? options.steps : options.quick ? 100 : 600;
    s.validation_windows = options.quick ? 64 : 256;
    s.generated = options.quick ? 160 : 320;
    return s;
}

LanguageResult learn(const std::string& name, Lesson& lesson) {
    if (name == "fp32") return learn_fp32(lesson);
    if (name == "bf16") return learn_bf16(lesson);
    if (name == "fp16") return learn_fp16(lesson);
    if (name == "fp8") return learn_fp8(lesson);
    if (name == "int8") return learn_int8(lesson);
    if (name == "int4") return learn_int4(lesson);
    return learn_mixed(lesson);
}

Corpus read_corpus(const Options& options, const Settings& settings) {
    try {
        return Corpus(options.text, settings.context);
    } catch (const std::exception& error) {
        throw BadInput(error.what());
    }
}

int run(const Options& options) {
    const auto start = std::chrono::steady_clock::now();
    expect_writable("--html", options.html);
    expect_writable("--json", options.json);
    Tour tour;
    tour.version = NIBBLE_VERSION;
    tour.settings = settings_for(options);
    const Corpus corpus = read_corpus(options, tour.settings);
    tour.text = corpus.facts();
    tour.machine = describe_machine(nibble::Host(options.threads).threads());
    print_plan(tour);

    Progress progress;
    Lesson lesson{corpus, tour.settings, progress, options.threads, {}};
    const bool has_fp32 = options.precisions.front() == "fp32";
    if (!has_fp32) use_starting_weights(lesson);
    tour.error_of = has_fp32 ? "the weights that FP32 learnt" : "the starting weights";
    for (const std::string& name : options.precisions) tour.language.push_back(learn(name, lesson));
    tour.spiking = run_spiking(tour, options.precisions, progress);

    tour.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    print_results(tour);
    if (!options.html.empty()) {
        write_html(tour, options.html);
        std::printf("page: %s\n", options.html.c_str());
    }
    if (!options.json.empty()) {
        write_json(tour, options.json);
        std::printf("figures: %s\n", options.json.c_str());
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    const auto options = read_options(argc, argv, status);
    if (!options) return status;
    try {
        return run(*options);
    } catch (const BadInput& error) {
        std::fprintf(stderr, "precision_tour: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "precision_tour: %s\n", error.what());
        return 1;
    }
}
