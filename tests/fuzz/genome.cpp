// Fuzzing of the genome reader, of growth and of the writer: any bytes are refused with an Error or
// read; what is read is the same brain after writing it in any form; what is small enough grows.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_genome
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_genome work tests/fuzz/corpus/genome
//         -dict=tests/fuzz/genome.dict -max_total_time=60
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/genome_write.hpp>
#include <nibble/neuro/growth.hpp>

#include <cstdlib>

using namespace nibble;

namespace {

void expect(bool holds) {
    if (!holds) std::abort();
}

void try_growth(const Genome& genome) {
    GrowthOptions options;
    options.most_neurons = 2000;
    options.most_synapses = 5000;
    try {
        const GrownBrain brain = grow(genome, options);
        expect(brain.neurons() <= options.most_neurons);
        expect(brain.plan.synapses.size() <= options.most_synapses);
        for (const BrainSynapse& s : brain.plan.synapses)
            expect(s.source < brain.neurons() && s.target < brain.neurons());
        for (const PlasticityRule& r : brain.plan.plasticity)
            expect(r.window >= 1 && r.target_area < genome.areas.size());
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        // Writing may nest a value one deeper than it was.
        GenomeOptions options;
        options.limits.depth = 40;
        const ReadGenome read = parse_genome(text, "input", options);
        // Nothing is lost on the way: every form reads back as the same brain, and writes the same.
        for (const GenomeForm form : {GenomeForm::flat, GenomeForm::nested, GenomeForm::flat_64}) {
            const std::string written = genome_text(read.genome, form);
            const ReadGenome again = parse_genome(written);
            expect(same_brain(again.genome, read.genome));
            expect(again.report.count(GenomeNote::Kind::repaired) == 0);
            expect(genome_text(again.genome, form) == written);
        }
        try_growth(read.genome);
        GenomeOptions strict;
        strict.repair = false;
        if (read.report.count(GenomeNote::Kind::repaired) == 0)
            (void)parse_genome(text, "", strict);
    } catch (const Error&) {
    }
    return 0;
}
