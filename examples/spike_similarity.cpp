// What a precision does to the spikes of a network: figures, and a picture of where they part.
//
// Neurons are driven by the same input at FP32 and at INT8 or INT4, without connections, so that
// differences do not grow from spike to spike; --recurrent connects them.
#include <nibble/neuro/balanced.hpp>
#include <nibble/neuro/plot.hpp>
#include <nibble/neuro/report.hpp>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <string>

using namespace nibble;

namespace {

template <class V>
SpikeRecording record(const BalancedNetwork& network, std::size_t steps) {
    return build_network<V>(network).run(Host(), steps);
}

bool write(const std::string& path, const std::string& text) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return false;
    const bool whole = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return std::fclose(file) == 0 && whole;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Compares the spikes of a network at a low precision with those at FP32");
    std::string precision = "int8", svg, json;
    std::size_t steps = 1000;
    BalancedNetwork network{.neurons = 500, .inputs = 0, .seed = 1};
    app.add_option("--precision", precision, "what is compared with FP32")
        ->check(CLI::IsMember({"int8", "int4"}))
        ->capture_default_str();
    app.add_option("--neurons", network.neurons, "how many")
        ->check(CLI::Range(10, 1'000'000))
        ->capture_default_str();
    app.add_option("--steps", steps, "how long")
        ->check(CLI::Range(10, 1'000'000))
        ->capture_default_str();
    app.add_flag_callback(
        "--recurrent", [&] { network.inputs = 80; }, "connect the neurons, 80 inputs each");
    app.add_option("--svg", svg, "write a picture here");
    app.add_option("--json", json, "write the figures here");
    CLI11_PARSE(app, argc, argv);

    const SpikeRecording fp32 = record<float>(network, steps);
    const SpikeRecording low =
        precision == "int8" ? record<Int8Value>(network, steps) : record<Int4Value>(network, steps);
    // quote: report
    const SpikeSimilarity s = report_similarity(fp32, low, precision);  // prints
    const std::string figures = similarity_json(s);
    const std::string picture = plot_svg(low, {.title = precision + " against fp32"}, &fp32);
    // end quote
    for (const auto& [path, text] : {std::pair{svg, picture}, std::pair{json, figures}})
        if (!path.empty() && !write(path, text)) {
            std::fprintf(stderr, "spike_similarity: cannot write %s\n", path.c_str());
            return 1;
        }
}
