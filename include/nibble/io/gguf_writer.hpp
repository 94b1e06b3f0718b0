// SPDX-License-Identifier: BSL-1.0
// Writing GGUF files, version 3: atomically, data aligned to 32 bytes, with a checksum.
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/io/gguf_quantize.hpp>

#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// A tensor's blocks from numbers, one row after the other, on the threads of `on`. Fails when the rows
/// are no whole blocks, and for infinities and NaN in a type with scales; `name` goes into the errors.
template <class On>
[[nodiscard]] std::vector<std::byte> quantize_blocks(On& on, const std::string& name, GgufType t,
                                                     View<const float> x,
                                                     const float* importance = nullptr) {
    if (!is_written(t))
        fail("tensor " + in_quotes(name) + ": type " + std::string(name_of(t)) + " is not written");
    if (x.cols % info_of(t).block != 0)
        fail("tensor " + in_quotes(name) + ": rows of " + std::to_string(x.cols) + " elements, " +
             std::string(name_of(t)) + " has blocks of " + std::to_string(info_of(t).block));
    const std::size_t bytes = row_bytes_of(t, x.cols);
    std::vector<std::byte> out(x.rows * bytes);
    std::vector<unsigned char> bad(x.rows);
    // The searches take some 50 ns an element.
    const std::size_t work = info_of(t).block == 256 ? 50 * x.cols : x.cols;
    for_each_row(on, x.rows, work, [&](std::size_t r) {
        if (is_quantized(t))
            for (std::size_t i = 0; i < x.cols; ++i)
                if (!std::isfinite(x(r, i))) bad[r] = 1;
        if (bad[r] == 0 && x.cols != 0)
            quantize_row(t, x.row(r), x.cols, importance, out.data() + r * bytes);
    });
    for (std::size_t r = 0; r < x.rows; ++r)
        if (bad[r] != 0)
            fail("tensor " + in_quotes(name) + ": row " + std::to_string(r) +
                 " has an infinity or NaN, which " + std::string(name_of(t)) + " cannot hold");
    return out;
}

/// A matrix as blocks that hold exactly its codes and scales; empty when none do (see same_blocks) or
/// its run is not 32.
template <Format F, class Memory>
[[nodiscard]] std::vector<std::byte> blocks_of(const Matrix<F, Memory>& m) {
    constexpr auto same = same_blocks<F>();
    if constexpr (same && format_traits<F>::scaled) {
        if (m.run() != 32) return {};
        constexpr std::size_t block = info_of(*same).bytes;
        std::vector<std::byte> out(m.rows() * m.runs() * block);
        auto* b = reinterpret_cast<std::uint8_t*>(out.data());
        for (std::size_t r = 0; r < m.rows(); ++r) {
            const auto codes = m.codes().row(r).units();
            const auto* scale = m.scales().data() + r * m.runs();
            for (std::size_t k = 0; k < m.runs(); ++k, b += block) {
                if constexpr (*same == GgufType::MXFP4) {
                    b[0] = scale[k].code;
                    split_nibbles(codes.data() + 16 * k, 0, b + 1);
                } else {
                    b[0] = static_cast<std::uint8_t>(scale[k].bits());
                    b[1] = static_cast<std::uint8_t>(scale[k].bits() >> 8);
                    if constexpr (*same == GgufType::Q4_0)
                        split_nibbles(codes.data() + 16 * k, 0x88, b + 2);
                    else std::memcpy(b + 2, codes.data() + 32 * k, 32);
                }
            }
        }
        return out;
    } else {
        return {};
    }
}

/// Collects metadata and tensors that lie in memory, then writes them all at once. Tensors are bytes
/// as the file has them (little-endian), not copied: they must stay until commit(). The file must have general.architecture.
class GgufWriter {
public:
    explicit GgufWriter(std::string path) : path_(std::move(path)) {}

    /// A key with a string, a bool, an integer (as the type it has), a float or a double. A key set
    /// before is replaced; "nibble.checksum" and "general.alignment" are the writer's own.
    void set(const std::string& key, std::string_view text) {
        put(key, GgufKind::string, checked(key, text));
    }
    void set(const std::string& key, const char* text) { set(key, std::string_view(text)); }
    template <class T>
        requires std::is_arithmetic_v<T>
    void set(const std::string& key, T value) {
        put(key, gguf_kind_of<T>(), little(value));
    }
    /// A key with an array of strings or of any of those numbers.
    void set_array(const std::string& key, std::span<const std::string_view> texts) {
        std::string value = array_head(GgufKind::string, texts.size());
        for (const std::string_view text : texts) value += checked(key, text);
        put(key, GgufKind::array, std::move(value));
    }
    template <class T>
        requires std::is_arithmetic_v<T>
    void set_array(const std::string& key, std::span<const T> values) {
        std::string value = array_head(gguf_kind_of<T>(), values.size());
        for (const T x : values) value += little(x);
        put(key, GgufKind::array, std::move(value));
    }
    /// A value of another file, under its key.
    void set(const GgufValue& v) {
        std::string value = v.kind == GgufKind::array ? array_head(v.element, v.count) : "";
        if (v.kind == GgufKind::string) value += little(std::uint64_t{v.bytes.size()});
        value.append(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size());
        put(std::string(v.key), v.kind, std::move(value));
    }

    /// A tensor of type t as its blocks, row after row; the shape is row-major, outermost first.
    void add(const std::string& name, GgufType t, const std::vector<std::uint64_t>& shape,
             std::span<const std::byte> blocks) {
        const std::string what = "write \"" + path_ + "\": tensor " + in_quotes(name);
        if (name.empty() || name.size() > 63 || name.find('\0') != name.npos ||
            valid_utf8_length(name) != name.size())
            fail(what + ": a name has 1 to 63 bytes of UTF-8");
        if (shape.size() > 4) fail(what + ": shape " + to_string(shape) + " has over 4 extents");
        std::uint64_t bytes = info_of(t).bytes;
        for (std::size_t i = 0; i < shape.size(); ++i) {
            const bool inner = i + 1 == shape.size();
            if (inner && shape[i] % info_of(t).block != 0)
                fail(what + ": rows of " + std::to_string(shape[i]) + " elements, " +
                     std::string(name_of(t)) + " has blocks of " +
                     std::to_string(info_of(t).block));
            if (!checked_multiply(bytes, inner ? shape[i] / info_of(t).block : shape[i], bytes))
                fail(what + " is too large");
        }
        if (blocks.size() != bytes || (shape.empty() && is_quantized(t)))
            fail(what + " has " + std::to_string(blocks.size()) + " bytes, shape " +
                 to_string(shape) + " of " + std::string(name_of(t)) + " takes " +
                 std::to_string(bytes));
        tensors_.push_back({name, t, shape, blocks});
    }

    /// Writes the file. When it fails, what was there before is still there.
    void commit() {
        const std::string zeros(checksum_zeros);
        put("nibble.checksum", GgufKind::string, sized("xxh64:" + zeros));
        bool named = false, quantized = false, versioned = false;
        for (const Pair& p : pairs_) {
            named = named || (p.key == "general.architecture" && p.kind == GgufKind::string);
            versioned = versioned || p.key == "general.quantization_version";
        }
        for (const Source& s : tensors_) quantized = quantized || is_quantized(s.type);
        if (!named) fail("write \"" + path_ + "\": no general.architecture was set");
        if (quantized && !versioned) set("general.quantization_version", std::uint32_t{2});
        expect_distinct();

        std::size_t digits = 0;
        std::string head = header(digits);
        Xxh64 hash;
        for_each_part(head, [&](std::span<const std::byte> part) { hash.update(part); });
        head.replace(digits, zeros.size(), checksum_text(hash.digest()).substr(6));
        AtomicFile file(path_);
        for_each_part(head, [&](std::span<const std::byte> part) { file.write(part); });
        file.commit();
    }

private:
    static constexpr std::uint64_t alignment = 32;
    struct Pair {
        std::string key;
        GgufKind kind;
        std::string value;
    };
    struct Source {
        std::string name;
        GgufType type;
        std::vector<std::uint64_t> shape;
        std::span<const std::byte> blocks;
    };

    template <class T>
    [[nodiscard]] static std::string little(T x) {
        std::uint64_t bits = 0;
        if constexpr (std::is_same_v<T, float>) bits = std::bit_cast<std::uint32_t>(x);
        else if constexpr (std::is_same_v<T, double>) bits = std::bit_cast<std::uint64_t>(x);
        else bits = static_cast<std::uint64_t>(x);
        std::string s;
        for (std::size_t i = 0; i < sizeof(T); ++i)
            s += static_cast<char>(static_cast<unsigned char>(bits >> 8 * i));
        return s;
    }
    [[nodiscard]] static std::string sized(std::string_view text) {
        return little(std::uint64_t{text.size()}) + std::string(text);
    }
    [[nodiscard]] std::string checked(const std::string& key, std::string_view text) const {
        if (valid_utf8_length(text) != text.size())
            fail("write \"" + path_ + "\": key " + in_quotes(key) + ": a text is not valid UTF-8");
        return sized(text);
    }
    [[nodiscard]] static std::string array_head(GgufKind element, std::uint64_t count) {
        return little(static_cast<std::uint32_t>(element)) + little(count);
    }
    void put(const std::string& key, GgufKind kind, std::string value) {
        if (key.empty() || key.size() > 65535 || key.find('\0') != key.npos ||
            valid_utf8_length(key) != key.size())
            fail("write \"" + path_ + "\": key " + in_quotes(key) + ": 1 to 65535 bytes of UTF-8");
        if (key == "general.alignment") return;
        for (Pair& p : pairs_)
            if (p.key == key) {
                p = {key, kind, std::move(value)};
                return;
            }
        pairs_.push_back({key, kind, std::move(value)});
    }
    void expect_distinct() const {
        std::vector<std::string_view> names;
        for (const Source& s : tensors_) names.push_back(s.name);
        std::sort(names.begin(), names.end());
        const auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end())
            fail("write \"" + path_ + "\": tensor " + in_quotes(*twice) + " twice");
    }
    /// Everything before the data, and where the digits of the checksum stand in it.
    [[nodiscard]] std::string header(std::size_t& digits) const {
        std::string text = "GGUF" + little(std::uint32_t{3}) +
                           little(std::uint64_t{tensors_.size()}) +
                           little(std::uint64_t{pairs_.size()});
        for (const Pair& p : pairs_) {
            text += sized(p.key) + little(static_cast<std::uint32_t>(p.kind)) + p.value;
            if (p.key == "nibble.checksum") digits = text.size() - checksum_zeros.size();
        }
        std::uint64_t at = 0;
        for (const Source& s : tensors_) {
            text += sized(s.name) + little(static_cast<std::uint32_t>(s.shape.size()));
            for (std::size_t i = s.shape.size(); i-- > 0;) text += little(s.shape[i]);
            text += little(static_cast<std::uint32_t>(s.type)) + little(at);
            at += (s.blocks.size() + alignment - 1) / alignment * alignment;
        }
        return text;
    }
    /// Calls f with the file's bytes in order: the head, then each tensor, both padded.
    template <class F>
    void for_each_part(const std::string& head, F&& f) const {
        const std::byte zeros[alignment] = {};
        const auto part = [&](std::span<const std::byte> bytes) {
            if (!bytes.empty()) f(bytes);
            const std::size_t over = bytes.size() % alignment;
            if (over != 0) f(std::span<const std::byte>(zeros, alignment - over));
        };
        part(std::as_bytes(std::span(head.data(), head.size())));
        for (const Source& s : tensors_) part(s.blocks);
    }

    std::string path_;
    std::vector<Pair> pairs_;
    std::vector<Source> tensors_;
};

}  // namespace nibble
