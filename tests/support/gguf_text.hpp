// GGUF files byte by byte, good and bad ones.
#pragma once

#include <nibble/io/gguf.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace test {

inline std::string u32(std::uint64_t x) {
    std::string s;
    for (int i = 0; i < 4; ++i) s += static_cast<char>(x >> (8 * i) & 255);
    return s;
}
inline std::string u64(std::uint64_t x) { return u32(x) + u32(x >> 32); }
inline std::string text(std::string_view s) { return u64(s.size()) + std::string(s); }

/// Key-values and tensors in the order in which they are added, then the data.
struct GgufText {
    std::string pairs, infos, data;
    std::uint64_t pair_count = 0, info_count = 0, alignment = 32;
    std::uint32_t version = 3;

    GgufText& pair(std::string_view key, std::uint32_t type, const std::string& value) {
        pairs += text(key) + u32(type) + value;
        ++pair_count;
        return *this;
    }
    /// dims innermost first, as in the file.
    GgufText& tensor(std::string_view name, const std::vector<std::uint64_t>& dims,
                     std::uint32_t type, std::uint64_t offset) {
        infos += text(name) + u32(dims.size());
        for (const std::uint64_t n : dims) infos += u64(n);
        infos += u32(type) + u64(offset);
        ++info_count;
        return *this;
    }
    std::string file() const {
        std::string s = "GGUF" + u32(version) + u64(info_count) + u64(pair_count) + pairs + infos;
        if (info_count != 0) s.resize((s.size() + alignment - 1) / alignment * alignment, '\0');
        return s + data;
    }
};

inline nibble::GgufFile parse_gguf(std::string_view file, const nibble::GgufLimits& limits = {}) {
    return nibble::GgufFile::from_bytes(std::as_bytes(std::span(file.data(), file.size())), "f",
                                        limits);
}

}  // namespace test
