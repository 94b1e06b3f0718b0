// SPDX-License-Identifier: BSL-1.0
// The head of a GGUF file, value by value: see gguf.hpp.
#pragma once

#include <nibble/io/file.hpp>
#include <nibble/io/gguf_type.hpp>
#include <nibble/io/text.hpp>

#include <array>
#include <bit>

namespace nibble::inline NIBBLE_ARCH {

/// What a reader takes at most, whatever the file has room for.
struct GgufLimits {
    std::uint64_t key_values = 65536;
    std::uint64_t tensors = 65536;
    std::uint64_t key = 65535;                         ///< bytes
    std::uint64_t name = 64;                           ///< bytes of a tensor's name
    std::uint64_t string = std::uint64_t{16} << 20;    ///< bytes
    std::uint64_t array = std::uint64_t{16} << 20;     ///< elements
    std::uint64_t alignment = std::uint64_t{1} << 20;  ///< bytes
};

/// One key with its value, both in the file's bytes.
struct GgufValue {
    std::string_view key;
    GgufKind kind = GgufKind::u8;
    GgufKind element = GgufKind::u8;   ///< of an array; otherwise the kind
    std::uint64_t count = 1;           ///< elements of an array; otherwise 1
    std::span<const std::byte> bytes;  ///< a scalar's, a string's text, or an array's elements
    std::uint64_t offset = 0;          ///< of the bytes in the file
};

/// One tensor as a file describes it.
struct GgufTensor {
    std::string_view name;
    GgufType type = GgufType::F32;
    unsigned rank = 0;
    std::array<std::uint64_t, 4> extents{};  ///< row-major, outermost first; `rank` of them
    std::uint64_t begin = 0, end = 0;        ///< bytes from the start of the data

    [[nodiscard]] std::span<const std::uint64_t> shape() const noexcept {
        return {extents.data(), rank};
    }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
    /// Elements of a row: the last extent; 1 for a scalar.
    [[nodiscard]] std::uint64_t cols() const noexcept { return rank == 0 ? 1 : extents[rank - 1]; }
    /// How many elements; fits, the reader has checked it.
    [[nodiscard]] std::uint64_t size() const noexcept {
        std::uint64_t n = 1;
        for (const std::uint64_t extent : shape()) n *= extent;
        return n;
    }
};

/// Reads the head of a file from its start: header(), then each key-value, then each tensor. Fails,
/// naming offset, field, value and limit, at the first thing that is not as it must be.
class GgufHead {
public:
    GgufHead(std::span<const std::byte> file, std::string name, const GgufLimits& limits)
        : file_(file), cursor_(file, name), name_(std::move(name)), limits_(limits) {}

    /// 2 or 3.
    std::uint32_t version = 0;
    std::uint64_t tensors = 0, key_values = 0;

    /// The file's first 24 bytes, counts compared with what is left.
    void header() {
        const auto magic = cursor_.take(4, "magic");
        if (std::memcmp(magic.data(), "GGUF", 4) != 0)
            refuse(0, "no GGUF file: it does not begin with \"GGUF\"");
        version = cursor_.integer<std::uint32_t>("version");
        if (version != 0 && (version & 0xFFFFu) == 0)
            refuse(4, "a big-endian file; only little-endian ones are read");
        if (version != 2 && version != 3)
            refuse(4, "version is " + std::to_string(version) + ", 2 and 3 are read");
        tensors = cursor_.integer<std::uint64_t>("tensor count");
        key_values = cursor_.integer<std::uint64_t>("key-value count");
        // Together first: each takes at least its lengths, its type and a byte of name.
        expect_room(8, "tensor count", tensors, limits_.tensors, 25);
        expect_room(16, "key-value count", key_values, limits_.key_values, 14);
    }
    /// The next key with its value, checked down to each string and bool of an array.
    [[nodiscard]] GgufValue key_value() {
        GgufValue v;
        v.key = string("key", limits_.key);
        const std::string what = "key " + in_quotes(v.key);
        expect_name(v.key, cursor_.position() - v.key.size(), "key");
        v.kind = v.element = kind(what + ": type");
        if (v.kind == GgufKind::array) {
            v.element = kind(what + ": element type");
            const std::uint64_t at = cursor_.position();
            if (v.element == GgufKind::array) refuse(at - 4, what + ": an array of arrays");
            v.count = cursor_.integer<std::uint64_t>("array length");
            expect_room(at, what + ": array length", v.count, limits_.array,
                        info_of(v.element).bytes);
        }
        v.offset = cursor_.position();
        if (v.element == GgufKind::string) {
            for (std::uint64_t i = 0; i < v.count; ++i) {
                const std::string_view text = string("string", limits_.string);
                if (v.kind == GgufKind::string) v.offset = cursor_.position() - text.size();
                const std::size_t good = valid_utf8_length(text);
                if (good != text.size())
                    refuse(cursor_.position() - text.size() + good,
                           what + ": a string that is not valid UTF-8");
            }
        } else {
            const auto bytes = cursor_.take(v.count * info_of(v.element).bytes, "value");
            if (v.element == GgufKind::boolean)
                for (std::size_t i = 0; i < bytes.size(); ++i)
                    if (std::to_integer<unsigned>(bytes[i]) > 1)
                        refuse(v.offset + i, what + ": a bool is " +
                                                 std::to_string(std::to_integer<int>(bytes[i])) +
                                                 ", expected 0 or 1");
        }
        v.bytes = file_.subspan(static_cast<std::size_t>(v.offset),
                                static_cast<std::size_t>(cursor_.position() - v.offset));
        if (v.key == "general.alignment") take_alignment(v);
        return v;
    }
    /// The next tensor; its offset is a multiple of the alignment, its end fits in 63 bits.
    [[nodiscard]] GgufTensor tensor() {
        GgufTensor t;
        t.name = string("tensor name", limits_.name);
        expect_name(t.name, cursor_.position() - t.name.size(), "tensor name");
        const std::string what = "tensor " + in_quotes(t.name);
        std::uint64_t at = cursor_.position();
        t.rank = cursor_.integer<std::uint32_t>("number of dimensions");
        if (t.rank > 4) refuse(at, what + ": " + std::to_string(t.rank) + " dimensions, at most 4");
        std::uint64_t elements = 1;
        for (unsigned i = 0; i < t.rank; ++i) {
            at = cursor_.position();
            const auto n = t.extents[t.rank - 1 - i] = cursor_.integer<std::uint64_t>("dimension");
            // A zero does not excuse the others: a product that wraps is no empty tensor.
            if (!checked_multiply(elements, n == 0 ? 1 : n, elements) || elements >> 62 != 0)
                refuse(at, what + ": dimensions " + to_string(t.shape()) +
                               " have 2^62 elements or more");
        }
        at = cursor_.position();
        const auto id = cursor_.integer<std::uint32_t>("tensor type");
        const GgufTypeInfo* info = gguf_type_info(id);
        if (info == nullptr)
            refuse(at, what + ": type " + std::to_string(id) +
                           ", which is none, withdrawn, or newer than this library");
        t.type = info->type;
        if (t.cols() % info->block != 0)
            refuse(at, what + ": rows of " + std::to_string(t.cols()) + " elements, " +
                           std::string(info->name) + " has blocks of " +
                           std::to_string(info->block));
        std::uint64_t bytes = 0;
        if (!checked_multiply(elements / info->block, info->bytes, bytes) || bytes >> 62 != 0)
            refuse(at, what + ": shape " + to_string(t.shape()) + " of " + std::string(info->name) +
                           " takes 2^62 bytes or more");
        if (t.size() == 0) bytes = 0;
        at = cursor_.position();
        t.begin = cursor_.integer<std::uint64_t>("tensor offset");
        if (t.begin % alignment_ != 0 || t.begin >> 62 != 0)
            refuse(at, what + ": offset is " + std::to_string(t.begin) +
                           ", expected a multiple of " + std::to_string(alignment_) +
                           " below 2^62");
        t.end = t.begin + bytes;
        return t;
    }
    [[nodiscard]] std::uint64_t alignment() const noexcept { return alignment_; }
    /// Where the data begins, once everything before it is read; it may lie behind the file's end.
    [[nodiscard]] std::uint64_t data_begin() const noexcept {
        return (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    }
    [[noreturn]] void refuse(std::uint64_t offset, const std::string& what) const {
        fail(name_ + ": at offset " + std::to_string(offset) + ": " + what);
    }

private:
    /// Fails unless `count` things of at least `least` bytes each fit into what is left.
    void expect_room(std::uint64_t offset, const std::string& what, std::uint64_t count,
                     std::uint64_t limit, std::uint64_t least) const {
        if (count > limit)
            refuse(offset, what + " is " + std::to_string(count) + ", at most " +
                               std::to_string(limit) + " are read");
        if (count > cursor_.left() / least)
            refuse(offset, what + " is " + std::to_string(count) + ", the " +
                               std::to_string(cursor_.left()) + " bytes that are left hold " +
                               std::to_string(cursor_.left() / least) + " at most");
    }
    [[nodiscard]] std::string_view string(const char* what, std::uint64_t limit) {
        const std::uint64_t at = cursor_.position();
        const auto length = cursor_.integer<std::uint64_t>(what);
        if (length > limit || length > cursor_.left())
            expect_room(at, std::string("length of a ") + what, length, limit, 1);
        const auto bytes = cursor_.take(length, what);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    void expect_name(std::string_view name, std::uint64_t offset, const char* what) const {
        if (name.empty()) refuse(offset, std::string("an empty ") + what);
        if (const std::size_t zero = name.find('\0'); zero != std::string_view::npos)
            refuse(offset + zero, std::string("a zero byte in a ") + what);
        if (const std::size_t good = valid_utf8_length(name); good != name.size())
            refuse(offset + good, std::string("a ") + what + " that is not valid UTF-8");
    }
    [[nodiscard]] GgufKind kind(const std::string& what) {
        const std::uint64_t at = cursor_.position();
        const auto id = cursor_.integer<std::uint32_t>("value type");
        if (id >= gguf_kind_count)
            refuse(at, what + " is " + std::to_string(id) + ", expected less than " +
                           std::to_string(gguf_kind_count));
        return static_cast<GgufKind>(id);
    }
    void take_alignment(const GgufValue& v) {
        if (v.kind != GgufKind::u32)
            refuse(v.offset, "general.alignment is of type " + std::string(name_of(v.kind)) +
                                 ", expected u32");
        alignment_ = load_little<std::uint32_t>(v.bytes.data());
        if (!std::has_single_bit(alignment_) || alignment_ < 8 || alignment_ > limits_.alignment)
            refuse(v.offset, "general.alignment is " + std::to_string(alignment_) +
                                 ", expected a power of two from 8 to " +
                                 std::to_string(limits_.alignment));
    }

    std::span<const std::byte> file_;
    Cursor cursor_;
    std::string name_;
    GgufLimits limits_;
    std::uint64_t alignment_ = 32;
};

}  // namespace nibble
