// SPDX-License-Identifier: BSL-1.0
// The index of a model that is cut into several safetensors files:
//
//     model.safetensors.index.json     {"metadata": {"total_size": 123, ...},
//                                       "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/io/json_scan.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Tensor to file, which is a plain name without a folder.
using SafetensorsParts = std::map<std::string, std::string, std::less<>>;

/// Reads an index, checked from left to right before anything is kept. Of "metadata" only the form is
/// looked at: an object of texts, numbers, bools and nulls. `where` goes into the errors.
class SafetensorsIndex {
public:
    SafetensorsIndex(std::string_view text, std::string where)
        : scan_(text, where), where_(std::move(where)) {}

    [[nodiscard]] SafetensorsParts read() {
        std::size_t count = 0;
        walk([&](auto, auto) { ++count; });
        std::vector<std::uint64_t> hashes;
        hashes.reserve(count);
        walk([&](std::string_view tensor, auto) { hashes.push_back(hash_of(tensor)); });
        std::sort(hashes.begin(), hashes.end());
        const auto twice = std::adjacent_find(hashes.begin(), hashes.end());
        SafetensorsParts files;
        walk([&](std::string_view tensor, std::string_view file) {
            if (twice != hashes.end()) {
                if (hash_of(tensor) == *twice) fail(place(tensor) + " twice");
            } else {
                files.emplace(unescaped(tensor), std::string(file));
            }
        });
        return files;
    }

private:
    [[nodiscard]] static std::uint64_t hash_of(std::string_view raw) {
        Xxh64 hash;
        if (raw.find('\\') == raw.npos) hash.update(raw);
        else hash.update(unescaped(raw));
        return hash.digest();
    }
    [[nodiscard]] std::string place(std::string_view tensor) const {
        return where_ + ": tensor " + in_quotes(tensor);
    }
    /// Calls f(tensor, file) for each entry of the map.
    template <class F>
    void walk(F&& f) {
        bool map = false, metadata = false;
        scan_.go_to(0);
        for_each_key([&](std::string_view key) {
            const bool is_map = key == "weight_map";
            if (!is_map && key != "metadata") fail(where_ + ": unknown key " + in_quotes(key));
            if (std::exchange(is_map ? map : metadata, true))
                fail(where_ + ": key " + in_quotes(key) + " twice");
            for_each_key([&](std::string_view name) {
                if (!is_map) {
                    if (!scan_.scalar()) fail(where_ + ": metadata: unexpected " + scan_.here());
                    return;
                }
                std::string_view file;
                if (!scan_.string(file)) fail(place(name) + ": unexpected " + scan_.here());
                // A backslash is an escape here, and no plain name has one.
                if (!file.ends_with(".safetensors") || file.find_first_of("/\\:") != file.npos)
                    fail(place(name) + ": the file " + in_quotes(file) +
                         " is no plain name that ends in .safetensors");
                f(name, file);
            });
        });
        scan_.expect_end();
        if (!map) fail(where_ + ": no \"weight_map\"");
    }
    /// Calls f with each key of an object, the scan behind its colon.
    template <class F>
    void for_each_key(F&& f) {
        if (!scan_.next('{')) fail(where_ + ": unexpected " + scan_.here());
        bool any = !scan_.next('}');
        while (any) {
            std::string_view key;
            if (!scan_.string(key)) scan_.invalid("expected a name");
            scan_.expect(':');
            f(key);
            any = scan_.more('}');
        }
    }

    JsonScan scan_;
    std::string where_;
};

}  // namespace nibble
