// SPDX-License-Identifier: BSL-1.0
// What nibble's checkpoints add to safetensors: docs/files.md describes them for other programs.
//
//     tensor  NAME            codes: F32 F16 BF16 F8_E4M3 F8_E5M2 I8 [rows, cols]; values under a
//                             byte as U8 [rows, bytes], lowest bits first, int3 in three bits
//     tensor  NAME.scales     [rows, runs], or [1] for one scale per tensor (formats with scales)
//     tensor  NAME.offsets    the same shape (asymmetric formats)
//     text    nibble.format   "1": the version of this description
//     text    nibble.tensor.NAME    "int4-g32 256x784": spec, rows, columns; not for plain floats
//     text    nibble.model, nibble.config.FIELD, nibble.version, nibble.checksum
//
// A run is columns / runs elements long, and element (r, k) is code * scale[r, k / run] + offset.
#pragma once

#include <nibble/io/safetensors.hpp>
#include <nibble/quant/matrix.hpp>

#include <charconv>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The version of the checkpoint format that this library writes, and the newest it reads.
inline constexpr unsigned checkpoint_format = 1;

/// The file type of a plane of codes or scales.
[[nodiscard]] constexpr DType dtype_of(ValueKind kind) noexcept {
    switch (kind) {
        case ValueKind::fp64: return DType::F64;
        case ValueKind::fp32: return DType::F32;
        case ValueKind::fp16: return DType::F16;
        case ValueKind::bf16: return DType::BF16;
        case ValueKind::e4m3: return DType::F8_E4M3;
        case ValueKind::e5m2: return DType::F8_E5M2;
        case ValueKind::e8m0: return DType::F8_E8M0;
        case ValueKind::int8: return DType::I8;
        default: return DType::U8;
    }
}

/// True for the formats that are a plain tensor of a floating-point type and need no description.
[[nodiscard]] constexpr bool is_plain(const QuantizationSpec& spec) noexcept {
    return spec.granularity == Granularity::none && is_float(dtype_of(spec.value));
}

/// Bytes of a row of `cols` codes.
[[nodiscard]] constexpr std::uint64_t code_bytes(ValueKind kind, std::uint64_t cols) noexcept {
    const auto bits = static_cast<unsigned>(file_bits_of(kind));
    if (bits >= 8) return cols * (bits / 8);
    return cols / 8 * bits + (cols % 8 * bits + 7) / 8;
}

/// Code k of a row of packed codes of b < 8 bits: bits k * b and up, lowest first.
[[nodiscard]] inline std::uint8_t packed_code(const std::byte* row, std::size_t k,
                                              unsigned b) noexcept {
    const std::size_t at = k * b;
    const auto low = static_cast<unsigned>(at % 8);
    unsigned bits = std::to_integer<unsigned>(row[at / 8]) >> low;
    if (low + b > 8) bits |= std::to_integer<unsigned>(row[at / 8 + 1]) << (8 - low);
    return static_cast<std::uint8_t>(bits & ((1u << b) - 1));
}
/// Puts it where the row has zeros.
inline void pack_code(std::byte* row, std::size_t k, unsigned b, std::uint8_t code) noexcept {
    const std::size_t at = k * b;
    const auto low = static_cast<unsigned>(at % 8);
    const unsigned bits = (code & ((1u << b) - 1)) << low;
    row[at / 8] |= static_cast<std::byte>(bits & 0xFFu);
    if (low + b > 8) row[at / 8 + 1] |= static_cast<std::byte>(bits >> 8);
}
/// The number of three bits in two's complement that an int3's code in a file stands for.
[[nodiscard]] constexpr int int3_number(std::uint8_t code) noexcept {
    return code >= 4 ? code - 8 : code;
}

/// A quantized matrix in a file: its planes, checked against its description.
struct StoredMatrix {
    QuantizationSpec spec;
    std::size_t rows = 0, cols = 0;
    std::size_t run = 0;           ///< elements that share a scale; cols without scales
    std::size_t scale_stride = 0;  ///< scales from one row to the next; 0 for one per tensor
    std::size_t row_bytes = 0;     ///< of codes
    std::span<const std::byte> codes, scales, offsets;

    [[nodiscard]] bool scaled() const noexcept { return spec.granularity != Granularity::none; }
};

/// A whole number and nothing else; false for what does not fit.
template <class T>
[[nodiscard]] bool parse_number(std::string_view text, T& number) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// "[rows, cols]" of a description "spec ROWSxCOLS", with its spec; fails naming file and tensor.
[[nodiscard]] inline StoredMatrix parse_description(const std::string& text,
                                                    const std::string& where) {
    StoredMatrix m;
    const std::size_t space = text.find(' '), x = text.find('x', space + 1);
    std::uint64_t rows = 0, cols = 0, size = 0;
    if (space == std::string::npos || x == std::string::npos ||
        !parse_number(std::string_view(text).substr(space + 1, x - space - 1), rows) ||
        !parse_number(std::string_view(text).substr(x + 1), cols) ||
        !checked_multiply(rows, cols, size) || size == 0 || size > std::uint64_t{1} << 62)
        fail(where + ": description " + in_quotes(text) + " is not \"SPEC ROWSxCOLS\"");
    const ParsedSpec spec = parse_spec(std::string_view(text).substr(0, space));
    if (!spec) fail(where + ": " + spec.error);
    m.spec = spec.spec;
    m.rows = static_cast<std::size_t>(rows);
    m.cols = static_cast<std::size_t>(cols);
    return m;
}

/// One plane of a stored matrix, checked for its type and shape.
[[nodiscard]] inline std::span<const std::byte> stored_plane(
    const SafetensorsFile& file, const std::string& name, DType dtype,
    const std::vector<std::uint64_t>& shape, const std::string& description) {
    const FileTensor* t = file.find(name);
    if (t == nullptr)
        fail(file.name() + ": no tensor " + in_quotes(name) + ", which " + description + " needs");
    if (t->dtype != dtype || t->shape != shape)
        fail(file.name() + ": tensor " + in_quotes(name) + " is " + std::string(name_of(t->dtype)) +
             " " + to_string(t->shape) + ", " + description + " needs " +
             std::string(name_of(dtype)) + " " + to_string(shape));
    return file.bytes(*t);
}

/// Fails unless the bits after a row's last code are zero (padding adds nothing to a sum) and, for
/// ternary values, no code is the one that is never made.
inline void expect_canonical(const StoredMatrix& m, const std::string& where) {
    const auto bits = static_cast<unsigned>(file_bits_of(m.spec.value));
    if (bits >= 8) return;
    const std::size_t used = m.cols % 8 * bits % 8;
    for (std::size_t r = 0; r < m.rows && m.row_bytes != 0; ++r) {
        const auto row = m.codes.subspan(r * m.row_bytes, m.row_bytes);
        if (used != 0 && std::to_integer<unsigned>(row.back()) >> used != 0)
            fail(where + ": bits after the last code of row " + std::to_string(r) +
                 " are not zero");
        if (m.spec.value != ValueKind::ternary) continue;
        for (const std::byte b : row) {
            const auto x = std::to_integer<unsigned>(b);
            if ((x & 0xAAu & ~((x & 0x55u) << 1)) != 0)
                fail(where + ": row " + std::to_string(r) + " has a code that is not ternary");
        }
    }
}

/// The matrix that `name` stands for in a file with a description of it.
[[nodiscard]] inline StoredMatrix stored_matrix(const SafetensorsFile& file,
                                                const std::string& name, const std::string& text) {
    const std::string where = file.name() + ": tensor " + in_quotes(name);
    const std::string description = in_quotes(text);
    StoredMatrix m = parse_description(text, where);
    m.row_bytes = static_cast<std::size_t>(code_bytes(m.spec.value, m.cols));
    const bool packed = bits_of(m.spec.value) < 8;
    m.codes = stored_plane(file, name, dtype_of(m.spec.value),
                           {m.rows, packed ? m.row_bytes : m.cols}, description);
    m.run = m.cols;
    if (m.scaled()) {
        if (m.spec.granularity == Granularity::group) m.run = fitted_group(m.cols, m.spec.group);
        const std::size_t runs = m.run == 0 ? 1 : m.cols / m.run;
        const bool one = m.spec.granularity == Granularity::tensor;
        m.scale_stride = one ? 0 : runs;
        const std::vector<std::uint64_t> shape =
            one ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{m.rows, runs};
        const DType scale = dtype_of(m.spec.scale);
        m.scales = stored_plane(file, name + ".scales", scale, shape, description);
        if (!m.spec.symmetric)
            m.offsets = stored_plane(file, name + ".offsets", scale, shape, description);
    }
    return m;
}

/// Row r of a stored matrix as numbers. `work` holds scales and is grown as needed.
inline void decode_row(const StoredMatrix& m, std::size_t r, float* out, std::vector<float>& work) {
    const std::byte* codes = m.codes.data() + r * m.row_bytes;
    if (bits_of(m.spec.value) >= 8)
        static_cast<void>(to_floats(dtype_of(m.spec.value), codes, m.cols, out));
    else if (m.spec.value == ValueKind::int3)
        for (std::size_t i = 0; i < m.cols; ++i)
            out[i] = static_cast<float>(int3_number(packed_code(codes, i, 3)));
    else
        dispatch_value(m.spec.value, [&]<class V>(V) {
            if constexpr (PackedValue<V>) {
                const ValueSpan<const V> row(reinterpret_cast<const std::uint8_t*>(codes), m.cols);
                for (std::size_t i = 0; i < m.cols; ++i) out[i] = decode(row[i]);
            }
        });
    if (!m.scaled()) return;
    const std::size_t runs = m.cols / m.run;
    work.resize(2 * runs);
    const DType type = dtype_of(m.spec.scale);
    const std::size_t first = r * m.scale_stride * (bits_of(type) / 8);
    static_cast<void>(to_floats(type, m.scales.data() + first, runs, work.data()));
    for (std::size_t i = 0; i < m.cols; ++i) out[i] *= work[i / m.run];
    if (m.spec.symmetric) return;
    static_cast<void>(to_floats(type, m.offsets.data() + first, runs, work.data() + runs));
    for (std::size_t i = 0; i < m.cols; ++i) out[i] += work[runs + i / m.run];
}

/// A model's configuration struct: a static `fields(f, config...)` that calls f("name", member...)
/// for each number, bool or enumeration in it, as `parameters` does for weights; and `weights()`, a
/// lower bound of how many numbers a model of these sizes holds, as a double that cannot overflow.
/// Loading compares it with the file before it allocates.
template <class C>
concept ConfigFields = requires(C& c, const C& known) {
    C::fields([](const char*, auto&) {}, c);
    { known.weights() } -> std::same_as<double>;
};

/// A model whose sizes go into the file and come back: a member `config` with fields, and a
/// constructor from it.
template <class M>
concept Configured = requires(M& m) {
    requires ConfigFields<std::remove_cvref_t<decltype(m.config)>>;
    M(m.config);
};

}  // namespace nibble
