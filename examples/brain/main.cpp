// Grows a brain from a genome, runs it at the precision that the genome names or the user asks for,
// and compares its spikes with those at another precision. See docs/genome.md.
#include "demonstration.hpp"
#include "report.hpp"
#include "stimulus.hpp"

#include <nibble/io/atomic_file.hpp>
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/genome_write.hpp>
#include <nibble/neuro/growth.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <optional>

namespace {

using namespace nibble;
using namespace example;

struct Options {
    std::string genome, precision, compare, inject, json, html, save;
    std::size_t bursts = 1000;
    double noise = 0.02;
    std::uint64_t seed = 1;
    int threads = 1;
    bool strict = false, notes = false, every_step = false;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The precision in a text, or an Error that lists what there is.
QuantizationSpec precision_of(const std::string& text) {
    const ParsedSpec parsed = parse_spec(text);
    if (!parsed) fail(parsed.error);
    return parsed.spec;
}

// A precision that brains are built for, or an Error that lists them.
QuantizationSpec built(const QuantizationSpec& precision) {
    dispatch_brain(precision, []<class V>(FormatTag<V>) {});
    return precision;
}

// quote: dispatch
Run run_at(const QuantizationSpec& precision, const Job& job) {
    Run result;
    dispatch_brain(precision, [&]<class V>(FormatTag<V>) { result = run<V>(job); });
    return result;
}
// end quote

GrownBrain grow_with_progress(const Genome& genome, std::uint64_t seed) {
    GrowthOptions options;
    options.seed = seed;
    GrowthProgress last;
    options.progress = [&](const GrowthProgress& p) {
        // A line for each stage; synapses take time, so that their line counts up.
        const auto tenth = [](const GrowthProgress& x) {
            return x.total == 0 ? 10 : 10 * x.done / x.total;
        };
        if (p.done != p.total &&
            (p.stage != GrowthStage::synaptogenesis || tenth(p) == tenth(last)))
            return;
        last = p;
        std::fprintf(stderr, "\r%-16s %3zu of %zu, %s neurons, %s synapses   ", name_of(p.stage),
                     p.done, p.total, short_number(double(p.neurons)).c_str(),
                     short_number(double(p.synapses)).c_str());
        if (p.done == p.total) std::fprintf(stderr, "\n");
    };
    return grow(genome, options);
}

// A file that is asked for, begun before the work: what cannot be written is refused then.
class Output {
public:
    explicit Output(const std::string& path) {
        if (!path.empty()) file_.emplace(path);
    }
    explicit operator bool() const { return file_.has_value(); }
    void write(const std::string& text) {
        file_->write(text);
        file_->commit();
    }

private:
    std::optional<AtomicFile> file_;
};

ReadGenome read(const Options& options) {
    if (options.genome.empty()) return {demonstration(), {}};
    GenomeOptions reading;
    reading.repair = !options.strict;
    ReadGenome r = read_genome(options.genome, reading);
    using Kind = GenomeNote::Kind;
    std::fprintf(stderr,
                 "%s: %s, %zu areas, %zu rules, %zu morphologies; %zu values repaired, %zu names "
                 "brought up to date, %zu assumed, %zu not understood\n",
                 options.genome.c_str(), name_of(r.report.form), r.genome.areas.size(),
                 r.genome.rules(), r.genome.morphologies.size(), r.report.count(Kind::repaired),
                 r.report.count(Kind::migrated), r.report.count(Kind::assumed),
                 r.report.count(Kind::ignored));
    for (const GenomeNote& n : r.report.notes)
        if (options.notes || n.kind == Kind::repaired ||
            (n.kind == Kind::assumed && n.path == "/physiology/quantization_precision"))
            std::fprintf(stderr, "  %s\n", to_string(n).c_str());
    return r;
}

void work(const Options& options) {
    const ReadGenome read_in = read(options);
    const Genome& genome = read_in.genome;
    const QuantizationSpec precision = built(
        options.precision.empty() ? genome.physiology.precision : precision_of(options.precision));
    std::optional<QuantizationSpec> compared;
    if (!options.compare.empty()) compared = built(precision_of(options.compare));
    Output json(options.json), html(options.html);
    if (!options.save.empty()) write_genome(genome, options.save, GenomeForm::flat_64);
    const auto start = std::chrono::steady_clock::now();
    const GrownBrain brain = grow_with_progress(genome, options.seed);
    const double growth = seconds_since(start);
    for (const GenomeNote& n : brain.notes) std::fprintf(stderr, "  %s\n", to_string(n).c_str());

    const auto inputs = options.inject.empty()
                            ? noise(brain, options.bursts, options.noise, options.seed)
                            : read_inputs(options.inject, genome, brain, options.bursts);
    Job job{brain, inputs, options.bursts, options.bursts, options.threads, {}};
    job.options.seed = options.seed;
    if (options.every_step) job.options.update = UpdateMode::every_step;
    // At most a quarter of a gigabyte of spikes: of long runs the end is compared and shown.
    const std::uint64_t row = brain.neurons() / 8 + 8;
    job.recorded =
        std::min<std::size_t>(options.bursts, static_cast<std::size_t>((1u << 28) / row));

    Report report{genome,
                  read_in.report,
                  brain,
                  options.genome.empty() ? "the built-in brain" : options.genome,
                  options.inject.empty() ? "noise" : options.inject,
                  growth,
                  options.bursts,
                  {},
                  {},
                  {}};
    report.run = run_at(precision, job);
    if (compared) {
        report.reference = run_at(*compared, job);
        if (brain.neurons() != 0 && job.recorded != 0)
            report.similarity = compare_spikes(report.reference->spikes, report.run.spikes);
    }
    std::printf("%s", text_of(report).c_str());
    if (json) json.write(json_of(report));
    if (html) html.write(html_of(report));
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{
        "Grows a brain from a FEAGI genome and runs it at any precision.\n"
        "Without a genome it runs a built-in demonstration brain."};
    app.name("brain");
    app.add_option("GENOME", options.genome, "Genome: flat 2.0, nested 2.1 or flat 3.0")
        ->check(CLI::ExistingFile);
    app.add_option("--precision", options.precision,
                   "fp32, fp16, bf16, fp8, int8 or int4 (default: the genome's)")
        ->type_name("NAME");
    app.add_option("--compare", options.compare, "Run at this precision too and compare the spikes")
        ->type_name("NAME");
    app.add_option("--bursts", options.bursts, "Bursts to run (default: 1000)")
        ->check(CLI::Range(std::size_t{1}, std::size_t{100'000'000}))
        ->type_name("N");
    app.add_option("--inject", options.inject, "Inputs, as docs/genome.md has them")
        ->check(CLI::ExistingFile)
        ->type_name("FILE");
    app.add_option(
           "--noise", options.noise,
           "Without --inject: share of sensory neurons driven in each burst (default: 0.02)")
        ->check(CLI::Range(0.0, 1.0))
        ->type_name("SHARE");
    app.add_option("--json", options.json, "Write every figure to this file")->type_name("FILE");
    app.add_option("--html", options.html, "Write a page to this file")->type_name("FILE");
    app.add_option("--save", options.save, "Write the genome as read, in the 3.0 form")
        ->type_name("FILE");
    app.add_option("--seed", options.seed, "Seed of growth, noise and rounding (default: 1)");
    app.add_option("--threads", options.threads, "Threads; 0: one a core (default: 1)")
        ->check(CLI::Range(0, 1024))
        ->type_name("N");
    app.add_flag("--strict", options.strict, "Refuse a genome that needs a repair");
    app.add_flag("--notes", options.notes, "Print every note of the genome's reader");
    app.add_flag("--every-step", options.every_step,
                 "Update all neurons in every burst, not only those with input");
    CLI11_PARSE(app, argc, argv);
    try {
        work(options);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "brain: %s\n", e.what());
        return 2;
    }
    return 0;
}
