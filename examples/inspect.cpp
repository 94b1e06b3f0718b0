// What is in a file of weights: safetensors (also in parts), GGUF, .npz, .npy, llama2.c's .bin, nibble's
// own checkpoints. Format, metadata, tensors, sizes by type, and whether it is whole. See docs/files.md.
//
// Exit codes: 0 all is well; 1 refused, damaged or not readable; 2 wrong usage; 3 with --values: there are
// infinities or NaN.
#include "support/output.hpp"
#include "support/tensor_file.hpp"

#include <nibble/io/json.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>

using namespace nibble;

namespace {

struct Numbers {
    bool read = false;
    std::size_t not_finite = 0;
    double low = 0, high = 0, mean = 0, deviation = 0;
};

Numbers look_at(const std::vector<float>& x) {
    Numbers n{true, 0, INFINITY, -INFINITY, 0, 0};
    double sum = 0, squares = 0;
    std::size_t count = 0;
    for (const float v : x) {
        if (!std::isfinite(v)) {
            ++n.not_finite;
            continue;
        }
        const double d = static_cast<double>(v);
        n.low = std::min(n.low, d);
        n.high = std::max(n.high, d);
        sum += d;
        squares += d * d;
        ++count;
    }
    if (count == 0) return {true, n.not_finite, 0, 0, 0, 0};
    n.mean = sum / static_cast<double>(count);
    n.deviation = std::sqrt(std::max(0.0, squares / static_cast<double>(count) - n.mean * n.mean));
    return n;
}

/// A file's text on one line: no control characters, at most `most` bytes.
std::string one_line(const std::string& text, std::size_t most) {
    std::string shown;
    for (const char c : text.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        shown += byte < 0x20 || byte == 0x7F ? ' ' : c;
    }
    return text.size() > most ? shown + "..." : shown;
}

std::string with_unit(std::uint64_t bytes) {
    char text[40];
    const double b = static_cast<double>(bytes);
    if (bytes < 10000) std::snprintf(text, sizeof(text), "%.0f B", b);
    else if (b < 1e7) std::snprintf(text, sizeof(text), "%.1f kB", b / 1e3);
    else if (b < 1e10) std::snprintf(text, sizeof(text), "%.1f MB", b / 1e6);
    else std::snprintf(text, sizeof(text), "%.2f GB", b / 1e9);
    return text;
}

std::string type_of(const TensorEntry& e) {
    return e.description.empty() ? e.type : e.description.substr(0, e.description.find(' '));
}

void print_json(const TensorFile& file, const std::string& checksum,
                const std::vector<Numbers>& numbers) {
    nlohmann::ordered_json j;
    j["file"] = file.path();
    j["format"] = file.format();
    j["bytes"] = file.size();
    j["checksum"] = checksum;
    j["metadata"] = nlohmann::ordered_json::object();
    for (const auto& [key, text] : file.metadata()) j["metadata"][key] = text;
    j["tensors"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
        const TensorEntry& e = file.tensors()[i];
        nlohmann::ordered_json t;
        t["name"] = e.name;
        t["type"] = e.type;
        if (!e.description.empty()) t["format"] = e.description;
        t["shape"] = e.shape;
        t["bytes"] = e.bytes;
        if (i < numbers.size() && numbers[i].read) {
            const Numbers& n = numbers[i];
            t["min"] = n.low;
            t["max"] = n.high;
            t["mean"] = n.mean;
            t["deviation"] = n.deviation;
            t["not_finite"] = n.not_finite;
        }
        j["tensors"].push_back(std::move(t));
    }
    // A file's text may be of any bytes; in JSON it is UTF-8.
    std::printf("%s\n",
                j.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

void print_text(const TensorFile& file, const std::string& checksum,
                const std::vector<Numbers>& numbers, bool all) {
    std::printf("%s\n  %s, %s, %zu tensors, checksum %s\n", file.path().c_str(),
                file.format().c_str(), with_unit(file.size()).c_str(), file.tensors().size(),
                checksum.c_str());
    if (!file.metadata().empty()) std::printf("\nmetadata\n");
    std::size_t shown = 0;
    for (const auto& [key, text] : file.metadata()) {
        if (key.starts_with("nibble.tensor.")) continue;  // stands with its tensor
        if (!all && ++shown > 100) {
            std::printf("  ... (--all shows the rest)\n");
            break;
        }
        std::printf("  %-42s %s\n", one_line(key, 80).c_str(),
                    one_line(text, all ? std::string::npos : 100).c_str());
    }
    std::map<std::string, std::pair<std::size_t, std::uint64_t>> types;
    std::size_t width = 20;
    for (const TensorEntry& e : file.tensors())
        width = std::max(width, std::min<std::size_t>(e.name.size(), 60));
    if (!file.tensors().empty()) std::printf("\ntensors\n");
    for (std::size_t i = 0; i < file.tensors().size(); ++i) {
        const TensorEntry& e = file.tensors()[i];
        auto& [count, bytes] = types[type_of(e)];
        ++count;
        bytes += e.bytes;
        if (!all && i >= 1000) continue;
        std::printf("  %-*s %-14s %-20s %10s", static_cast<int>(width),
                    one_line(e.name, 60).c_str(), type_of(e).c_str(),
                    to_string(std::span<const std::uint64_t>(e.shape)).c_str(),
                    with_unit(e.bytes).c_str());
        if (i < numbers.size() && numbers[i].read) {
            const Numbers& n = numbers[i];
            std::printf("  %11.4g .. %-11.4g mean %-11.4g dev %-11.4g", n.low, n.high, n.mean,
                        n.deviation);
            if (n.not_finite != 0) std::printf("  %zu NOT FINITE", n.not_finite);
        }
        std::printf("\n");
    }
    if (!all && file.tensors().size() > 1000)
        std::printf("  ... %zu more (--all shows them)\n", file.tensors().size() - 1000);
    if (!types.empty()) std::printf("\nby type\n");
    for (const auto& [type, sum] : types)
        std::printf("  %-14s %6zu tensors %12s\n", type.c_str(), sum.first,
                    with_unit(sum.second).c_str());
}

int run(int argc, char** argv) {
    CLI::App app{
        "What is in a file of weights: safetensors, GGUF, .npz, .npy, llama2.c's .bin.\n"
        "Exit codes: 0 all is well, 1 refused or damaged, 2 wrong usage, 3 infinities or NaN."};
    std::string path;
    bool json = false, values = false, all = false, unverified = false;
    app.add_option("FILE", path, "a file, the index of several, or a folder with one of them")
        ->required();
    app.add_flag("--json", json, "print one JSON object");
    app.add_flag("--values", values,
                 "read every number: range, mean, deviation, infinities and NaN");
    app.add_flag("--all", all, "print long texts and long lists in full");
    app.add_flag("--no-verify", unverified, "do not compare the checksum with every byte");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    const TensorFile file(path);
    const std::string checksum = unverified ? "not compared" : file.verify();
    std::vector<Numbers> numbers(values ? file.tensors().size() : 0);
    std::vector<float> work;
    std::size_t not_finite = 0;
    auto said = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (file.read(i, work)) numbers[i] = look_at(work);
        not_finite += numbers[i].not_finite;
        if (std::chrono::steady_clock::now() - said > std::chrono::seconds(1)) {
            said = std::chrono::steady_clock::now();
            std::fprintf(stderr, "\rreading %zu of %zu tensors", i + 1, numbers.size());
        }
    }
    if (json) print_json(file, checksum, numbers);
    else print_text(file, checksum, numbers, all);
    finish_output();
    return not_finite == 0 ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "inspect: %s\n", e.what());
        return 1;
    }
}
