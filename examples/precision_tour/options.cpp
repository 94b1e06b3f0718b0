#include "options.hpp"

#include <nibble/quant/spec.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <vector>

namespace tour {

namespace {

// "INT4", "e4m3", "float": any spelling the library reads, as the tour's name for it.
std::string tour_name(const std::string& text) {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (lower == "mixed") return lower;
    const nibble::ParsedSpec parsed = nibble::parse_spec(text);
    if (!parsed) throw CLI::ValidationError(parsed.error + "; the tour also has \"mixed\"");
    for (const std::string name : all_precisions)
        if (name != "mixed" && nibble::parse_spec(name).spec == parsed.spec) return name;
    std::string built;
    for (const std::string name : all_precisions) built += (built.empty() ? "" : ", ") + name;
    throw CLI::ValidationError("precision \"" + text + "\" (" + nibble::to_string(parsed.spec) +
                               ") is not part of the tour, which has " + built);
}

}  // namespace

std::optional<Options> read_options(int argc, char** argv, int& status) {
    Options options;
    std::string names;
    CLI::App app{
        "Trains the same small character model at several precisions, runs the same spiking\n"
        "network at several precisions, and compares them in a table and an HTML page."};
    app.name("precision_tour");
    app.add_option("--text", options.text,
                   "Text to learn (default: nibble's own headers and documentation)")
        ->type_name("FILE");
    app.add_option("--html", options.html, "Page to write (default: nibble-demo.html)")
        ->type_name("FILE");
    app.add_option("--json", options.json, "Write every figure to this file")->type_name("FILE");
    app.add_option("--precision", names,
                   "Precisions to visit, separated by commas, in any spelling nibble reads\n"
                   "(default: fp32,bf16,fp16,fp8,int8,int4,mixed)")
        ->type_name("NAME,...");
    app.add_option("--seed", options.seed, "Seed of weights, batches and rounding (default: 1337)")
        ->type_name("N");
    app.add_option("--steps", options.steps, "Training steps for each precision")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}).description(""))
        ->type_name("N");
    app.add_option("--threads", options.threads,
                   "Precisions to train at the same time (default: one a core)")
        ->check(CLI::Range(1, 1024).description(""))
        ->type_name("N");
    app.add_flag("--quick", options.quick, "Finish in 20 seconds: fewer steps");
    try {
        app.parse(argc, argv);
        std::vector<std::string> wanted;
        std::stringstream list(names);
        for (std::string name; std::getline(list, name, ',');) wanted.push_back(tour_name(name));
        for (const std::string name : all_precisions)
            if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end())
                options.precisions.push_back(name);
    } catch (const CLI::CallForHelp&) {
        std::fputs(app.help().c_str(), stdout);
        status = 0;
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "precision_tour: %s\nTry precision_tour --help.\n", error.what());
        status = 2;
        return std::nullopt;
    }
    return options;
}

}  // namespace tour
