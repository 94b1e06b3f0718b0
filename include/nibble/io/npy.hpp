// SPDX-License-Identifier: BSL-1.0
// NumPy's .npy: one array. A file is
//
//     \x93NUMPY | u8 major, u8 minor | u16 (version 1) or u32 N | N bytes of a Python dict | data
//     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
//
// Read: versions 1 to 3, either byte order, C and Fortran order, numbers of NumPy's plain types. bfloat16
// has no code of its own and is stored as opaque |V2: such elements are read as BF16, |V1 as U8 (an fp8
// of either kind). Objects (pickles), text, records and anything else are refused.
#pragma once

#include <nibble/io/dtype.hpp>
#include <nibble/io/text.hpp>
#include <nibble/store/view.hpp>

#include <algorithm>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What the head of a .npy says.
struct NpyHeader {
    DType dtype = DType::F32;
    std::vector<std::uint64_t> shape;  ///< outermost first; empty for a scalar
    bool fortran = false;              ///< the first extent varies fastest
    bool big_endian = false;
    std::uint64_t bytes = 0;  ///< of the head, with which the data begins
    std::uint64_t data = 0;   ///< bytes of the data

    [[nodiscard]] std::uint64_t size() const noexcept { return data / (bits_of(dtype) / 8); }
};

/// Reads the head from the first bytes of a .npy, of which at most 64 KiB and 12 are looked at. Fails,
/// naming `where`, offset and what was expected.
class NpyHead {
public:
    NpyHead(std::span<const std::byte> bytes, const std::string& where)
        : cursor_(bytes, where), where_(where) {}

    [[nodiscard]] NpyHeader read() {
        const auto magic = cursor_.take(6, "magic");
        if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) refuse(0, "no .npy file");
        const auto major = cursor_.integer<std::uint8_t>("version");
        const auto minor = cursor_.integer<std::uint8_t>("version");
        if (major < 1 || major > 3 || minor != 0)
            refuse(6, "version " + std::to_string(major) + "." + std::to_string(minor) +
                          ", 1.0 to 3.0 are read");
        const std::uint64_t length = major == 1 ? cursor_.integer<std::uint16_t>("header length")
                                                : cursor_.integer<std::uint32_t>("header length");
        if (length > 65535)
            refuse(8, "header length is " + std::to_string(length) + ", at most 65535");
        begin_ = cursor_.position();
        const auto text = cursor_.take(length, "header");
        text_ = {reinterpret_cast<const char*>(text.data()), text.size()};
        dictionary();
        header_.bytes = cursor_.position();
        count();
        return header_;
    }

private:
    [[noreturn]] void refuse(std::uint64_t offset, const std::string& what) const {
        fail(where_ + ": at offset " + std::to_string(offset) + ": " + what);
    }
    [[noreturn]] void refuse(const std::string& what) const { refuse(begin_ + at_, what); }

    void skip() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    }
    [[nodiscard]] bool next(char c) {
        skip();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    void expect(char c) {
        if (!next(c)) refuse(std::string("expected '") + c + "' of the header's dict");
    }
    [[nodiscard]] std::string_view quoted() {
        skip();
        const char quote = at_ < text_.size() ? text_[at_] : '\0';
        if (quote != '\'' && quote != '"') refuse("expected a text in quotes");
        const std::size_t end = text_.find(quote, at_ + 1);
        if (end == text_.npos) refuse("a text without an end");
        const std::string_view found = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return found;
    }
    [[nodiscard]] bool word(std::string_view w) {
        skip();
        if (text_.substr(at_, w.size()) != w) return false;
        at_ += w.size();
        return true;
    }
    [[nodiscard]] std::uint64_t extent() {
        std::uint64_t n = 0;
        const std::size_t from = at_;
        for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
            n = 10 * n + static_cast<std::uint64_t>(text_[at_] - '0');
            if (n >> 59 != 0) refuse("an extent of 2^59 or more");
        }
        if (at_ == from) refuse("expected an extent");
        return n;
    }
    void dictionary() {
        unsigned seen = 0;
        expect('{');
        while (!next('}')) {
            const std::string_view key = quoted();
            expect(':');
            const unsigned bit = key == "descr"           ? 1
                                 : key == "fortran_order" ? 2
                                 : key == "shape"         ? 4
                                                          : 0;
            if (bit == 0) refuse("unknown key " + in_quotes(key));
            if ((seen & bit) != 0) refuse("key " + in_quotes(key) + " twice");
            seen |= bit;
            if (bit == 1) description();
            else if (bit == 4) shape();
            else if (word("True")) header_.fortran = true;
            else if (!word("False")) refuse("fortran_order is neither True nor False");
            if (next(',')) continue;
            expect('}');
            break;
        }
        skip();
        if (at_ != text_.size()) refuse("something after the header's dict");
        if (seen != 7)
            refuse(std::string("no key \"") +
                   ((seen & 1) == 0   ? "descr"
                    : (seen & 2) == 0 ? "fortran_order"
                                      : "shape") +
                   "\"");
    }
    void description() {
        if (next('[')) refuse("an array of records, which is not read");
        const std::string_view d = quoted();
        struct Known {
            std::string_view code;
            DType dtype;
        };
        static constexpr Known known[] = {
            {"f8", DType::F64}, {"f4", DType::F32},  {"f2", DType::F16}, {"i1", DType::I8},
            {"u1", DType::U8},  {"i2", DType::I16},  {"u2", DType::U16}, {"i4", DType::I32},
            {"u4", DType::U32}, {"i8", DType::I64},  {"u8", DType::U64}, {"b1", DType::BOOL},
            {"c8", DType::C64}, {"V2", DType::BF16}, {"V1", DType::U8}};
        if (d.find('O') != d.npos) refuse("an array of objects: a pickle, which is never read");
        for (const Known& k : known)
            if (d.size() == 3 && d.substr(1) == k.code &&
                std::string_view("<>|=").find(d[0]) != std::string_view::npos) {
                header_.dtype = k.dtype;
                header_.big_endian = d[0] == '>' && bits_of(k.dtype) > 8;
                return;
            }
        refuse("elements of type " + in_quotes(d) + ", which is not read");
    }
    void shape() {
        expect('(');
        bool comma = true;
        while (!next(')')) {
            if (!comma) refuse("expected ',' or ')' of the shape");
            if (header_.shape.size() == 32) refuse("more than 32 extents");
            skip();
            header_.shape.push_back(extent());
            comma = next(',');
        }
        // "(3)" is a number, not a shape.
        if (header_.shape.size() == 1 && !comma) refuse("a shape of one extent without its comma");
    }
    void count() {
        std::uint64_t bytes = bits_of(header_.dtype) / 8;
        bool none = false;
        for (const std::uint64_t n : header_.shape) {
            none = none || n == 0;
            if (!checked_multiply(bytes, n == 0 ? 1 : n, bytes))
                refuse("shape " + to_string(header_.shape) + " has more than 2^64 bytes");
        }
        header_.data = none ? 0 : bytes;
    }

    Cursor cursor_;
    const std::string& where_;
    NpyHeader header_;
    std::string_view text_;
    std::uint64_t begin_ = 0;
    std::size_t at_ = 0;
};

/// Converts elements, in the order of the data, to floats in row-major order, `from` being as long as
/// the head says. False for complex numbers.
[[nodiscard]] inline bool to_floats(const NpyHeader& h, std::span<const std::byte> from,
                                    std::span<float> out) {
    if (h.dtype == DType::C64) return false;
    const std::size_t width = bits_of(h.dtype) / 8, n = out.size();
    if (!h.fortran && !h.big_endian) return to_floats(h.dtype, from.data(), n, out.data());
    const std::size_t rank = h.shape.size();
    std::vector<std::size_t> index(rank), stride(rank);
    std::size_t step = 1;
    for (std::size_t k = 0; k < rank; ++k) {
        const std::size_t axis = h.fortran ? k : rank - 1 - k;
        stride[axis] = step;
        step *= static_cast<std::size_t>(h.shape[axis]);
    }
    std::byte element[8];
    for (std::size_t i = 0, at = 0; i < n; ++i) {
        std::copy_n(from.data() + at * width, width, element);
        if (h.big_endian) std::reverse(element, element + width);
        if (!to_floats(h.dtype, element, 1, &out[i])) return false;
        for (std::size_t axis = rank; axis-- > 0;) {
            at += stride[axis];
            if (++index[axis] < h.shape[axis]) break;
            at -= stride[axis] * index[axis];
            index[axis] = 0;
        }
    }
    return true;
}

/// The head of a .npy for an array in C order; its length is a multiple of 64. Fails for types that NumPy
/// has no code for (sub-byte types); BF16 becomes |V2, every 8-bit float |V1.
[[nodiscard]] inline std::string npy_head(DType t, std::span<const std::uint64_t> shape) {
    std::string code;
    switch (t) {
        case DType::F64: code = "<f8"; break;
        case DType::F32: code = "<f4"; break;
        case DType::F16: code = "<f2"; break;
        case DType::BF16: code = "|V2"; break;
        case DType::I64: code = "<i8"; break;
        case DType::I32: code = "<i4"; break;
        case DType::I16: code = "<i2"; break;
        case DType::I8: code = "|i1"; break;
        case DType::U64: code = "<u8"; break;
        case DType::U32: code = "<u4"; break;
        case DType::U16: code = "<u2"; break;
        case DType::U8: code = "|u1"; break;
        case DType::BOOL: code = "|b1"; break;
        case DType::C64: code = "<c8"; break;
        default:
            if (bits_of(t) != 8)
                fail(".npy: no code for elements of type " + std::string(name_of(t)));
            code = "|V1";
    }
    std::string text = "{'descr': '" + code + "', 'fortran_order': False, 'shape': (";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += std::to_string(shape[i]) + (i + 1 < shape.size() || shape.size() == 1 ? ", " : "");
    if (shape.size() == 1) text.pop_back();
    text += "), }";
    text.append(63 - (10 + text.size()) % 64, ' ');
    text += '\n';
    if (text.size() > 65535) fail(".npy: shape of " + std::to_string(shape.size()) + " extents");
    std::string head("\x93NUMPY\x01\x00", 8);
    head += static_cast<char>(text.size() & 255);
    head += static_cast<char>(text.size() >> 8);
    return head + text;
}

}  // namespace nibble
