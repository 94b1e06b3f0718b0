// SPDX-License-Identifier: BSL-1.0
// A genome as the source of a constant table, for a brain on a chip: what nibble_add_genome_table (see
// cmake/genome_table.cmake) runs while a program is built.
#include <nibble/io/atomic_file.hpp>
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/growth.hpp>
#include <nibble/neuro/table_writer.hpp>

#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

using namespace nibble;

namespace {

constexpr const char* usage =
    "genome_table GENOME.json OUT.hpp [options]\n"
    "Grows the genome and writes it as a BrainTable constant.\n"
    "  --name NAME        of the constant (brain)\n"
    "  --precision P      of potentials: int8 or int4 (the genome's quantization_precision)\n"
    "  --weights P        of weights: int8 or int4 (as the potentials)\n"
    "  --every-step       all neurons move on in every burst, not only those with input\n"
    "  --seed N           of growth (1)\n"
    "  --most N           synapses at most (1000000)\n"
    "  --quiet            no list of what was repaired or left out\n";

struct Options {
    std::string genome, out, precision, weights;
    TableOptions table;
    GrowthOptions growth{.seed = 1, .most_neurons = 1'000'000, .most_synapses = 1'000'000};
    bool quiet = false;
};

std::uint64_t number(std::string_view text, std::string_view option) {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size())
        fail(std::string(option) + " is \"" + std::string(text) + "\", expected a whole number");
    return n;
}

Options parse(int argc, char** argv) {
    Options o;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        const auto value = [&]() -> std::string {
            if (i + 1 >= argc) fail(std::string(arg) + " needs a value");
            return argv[++i];
        };
        if (arg == "--name") o.table.name = value();
        else if (arg == "--precision") o.precision = value();
        else if (arg == "--weights") o.weights = value();
        else if (arg == "--every-step") o.table.every_step = true;
        else if (arg == "--seed") o.growth.seed = number(value(), arg);
        else if (arg == "--most") o.growth.most_synapses = number(value(), arg);
        else if (arg == "--quiet") o.quiet = true;
        else if (arg.substr(0, 2) == "--") fail("unknown option " + std::string(arg));
        else if (o.genome.empty()) o.genome = arg;
        else if (o.out.empty()) o.out = arg;
        else fail("a third file: " + std::string(arg));
    }
    if (o.out.empty()) fail("expected GENOME.json and OUT.hpp; --help lists the options");
    const auto is_letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    bool identifier = !o.table.name.empty() && is_letter(o.table.name[0]);
    for (const char c : o.table.name)
        identifier = identifier && (is_letter(c) || (c >= '0' && c <= '9'));
    if (!identifier) fail("--name is \"" + o.table.name + "\", expected an identifier");
    return o;
}

TableSource write(const BrainPlan& plan, const Options& o) {
    if (o.precision == "int8" && o.weights == "int8")
        return write_brain_table<Int8Value>(plan, o.table);
    if (o.precision == "int8" && o.weights == "int4")
        return write_brain_table<Int8Value, Int4Value>(plan, o.table);
    if (o.precision == "int4" && o.weights == "int4")
        return write_brain_table<Int4Value>(plan, o.table);
    fail("a table of " + o.precision + " with weights of " + o.weights +
         "; expected int8 with int8 or int4, or int4 with int4: say --precision int8");
}

}  // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (std::string_view(argv[i]) == "--help") {
            std::fputs(usage, stdout);
            return 0;
        }
    try {
        Options o = parse(argc, argv);
        const ReadGenome read = read_genome(o.genome);
        if (o.precision.empty())
            o.precision = std::string(name_of(read.genome.physiology.precision.value));
        if (o.weights.empty()) o.weights = o.precision;
        const GrownBrain grown = grow(read.genome, o.growth);
        const TableSource source = write(grown.plan, o);
        if (!o.quiet) {
            for (const auto& notes : {read.report.notes, grown.notes})
                for (const GenomeNote& n : notes)
                    std::fprintf(stderr, "%s: %s\n", o.genome.c_str(), to_string(n).c_str());
            for (const std::string& note : source.notes)
                std::fprintf(stderr, "%s: %s\n", o.genome.c_str(), note.c_str());
        }
        AtomicFile file(o.out);
        file.write(std::string_view(source.text));
        file.commit();
        std::printf("%s: %llu neurons, %zu synapses\n", o.out.c_str(),
                    static_cast<unsigned long long>(grown.neurons()), grown.plan.synapses.size());
    } catch (const std::exception& e) {
        std::fprintf(stderr, "genome_table: %s\n", e.what());
        return 1;
    }
}
