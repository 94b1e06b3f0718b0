// SPDX-License-Identifier: BSL-1.0
// The JSON at the head of a safetensors file: see safetensors.hpp.
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/io/dtype.hpp>
#include <nibble/io/json_scan.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// One tensor as a file describes it.
struct FileTensor {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::uint64_t> shape;  ///< row-major; empty for a scalar
    std::uint64_t begin = 0, end = 0;  ///< bytes from the start of the (shard's) data
    std::uint32_t shard = 0;           ///< which file of several

    [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
    /// How many elements; fits, the reader has checked it.
    [[nodiscard]] std::uint64_t size() const noexcept {
        std::uint64_t n = 1;
        for (const std::uint64_t extent : shape) n *= extent;
        return n;
    }
};

/// Text keys with text values. nibble's own keys begin with "nibble.".
using Metadata = std::map<std::string, std::string, std::less<>>;

/// The header, read from left to right: first checked, tensor by tensor, without keeping anything; then
/// names are compared and places, at 8 and 24 bytes an entry; then the lists are made.
class SafetensorsHeader {
public:
    /// Checks the header of a file with `data` bytes after it. `where` goes into the errors.
    SafetensorsHeader(std::string_view text, std::string where, std::uint64_t data,
                      bool allow_trailing)
        : scan_(text, where), where_(std::move(where)) {
        std::size_t tensors = 0, texts = 0;
        walk([&](const Entry&) { ++tensors; }, [&](auto, auto) { ++texts; });
        expect_distinct(tensors + texts);
        expect_layout(tensors, data, allow_trailing);
        tensors_ = tensors;
    }
    /// All tensors, in the order of the header.
    [[nodiscard]] std::vector<FileTensor> tensors() {
        std::vector<FileTensor> list;
        list.reserve(tensors_);
        walk(
            [&](const Entry& e) {
                FileTensor t{unescaped(e.name), e.dtype, {}, e.begin, e.end, 0};
                const std::size_t here = scan_.position();
                extents(e.shape, [&](std::uint64_t n) { t.shape.push_back(n); });
                scan_.go_to(here);
                list.push_back(std::move(t));
            },
            [](auto, auto) {});
        return list;
    }
    [[nodiscard]] Metadata metadata() {
        Metadata texts;
        walk([](const Entry&) {},
             [&](std::string_view key, std::string_view text) {
                 texts.emplace(unescaped(key), unescaped(text));
             });
        return texts;
    }

private:
    struct Entry {
        std::string_view name;  // as it is written
        DType dtype = DType::F32;
        std::size_t shape = 0;  // where it stands
        std::uint64_t begin = 0, end = 0;
    };
    static constexpr const char* fields[3] = {"dtype", "shape", "data_offsets"};

    /// Calls on_tensor(entry) and on_text(key, text) for all that the header holds.
    template <class OnTensor, class OnText>
    void walk(OnTensor&& on_tensor, OnText&& on_text) {
        scan_.go_to(0);
        scan_.expect('{');
        bool any = !scan_.next('}'), has_metadata = false;
        while (any) {
            const std::string_view name = key();
            if (unescaped_is(name, "__metadata__")) {
                if (std::exchange(has_metadata, true)) fail(where_ + ": \"__metadata__\" twice");
                read_metadata(on_text);
            } else {
                on_tensor(read_tensor(name));
            }
            any = scan_.more('}');
        }
        scan_.expect_end();
    }
    [[nodiscard]] std::string_view key() {
        std::string_view name;
        if (!scan_.string(name)) scan_.invalid("expected a name");
        scan_.expect(':');
        return name;
    }
    [[nodiscard]] static bool unescaped_is(std::string_view raw, std::string_view text) {
        // An escape takes 2 to 12 characters for at least one.
        if (raw.find('\\') == raw.npos || raw.size() > 6 * text.size()) return raw == text;
        return unescaped(raw) == text;
    }
    [[noreturn]] void unexpected(const std::string& place) {
        fail(where_ + ": " + place + ": unexpected " + scan_.here());
    }
    /// A name as a message shows it; a long one as it is written.
    [[nodiscard]] static std::string shown(std::string_view raw) {
        return in_quotes(raw.size() > 480 ? std::string(raw.substr(0, 480)) : unescaped(raw));
    }
    [[nodiscard]] static std::string tensor_place(std::string_view name) {
        return "tensor " + shown(name);
    }
    template <class OnText>
    void read_metadata(OnText&& on_text) {
        if (!scan_.next('{')) unexpected("__metadata__");
        bool any = !scan_.next('}');
        while (any) {
            const std::string_view name = key();
            std::string_view text;
            if (!scan_.string(text)) unexpected("__metadata__");
            on_text(name, text);
            any = scan_.more('}');
        }
    }
    [[nodiscard]] Entry read_tensor(std::string_view name) {
        Entry e{name};
        const auto place = [&] { return tensor_place(name); };
        if (!scan_.next('{')) unexpected(place());
        unsigned seen = 0;
        std::uint64_t elements = 1;
        bool any = !scan_.next('}'), fits = true, none = false;
        while (any) {
            const std::string_view field = key();
            unsigned f = 0;
            while (f < 3 && !unescaped_is(field, fields[f])) ++f;
            if (f == 3) fail(where_ + ": " + place() + ": unknown field " + shown(field));
            if ((seen & (1u << f)) != 0)
                fail(where_ + ": " + place() + ": \"" + fields[f] + "\" twice");
            seen |= 1u << f;
            std::string_view type;
            if (f == 0) {
                if (!scan_.string(type)) unexpected(place());
                const auto known = dtype_named(type);
                if (!known) fail(where_ + ": " + place() + ": unknown dtype " + in_quotes(type));
                e.dtype = *known;
            } else if (f == 1) {
                e.shape = scan_.position();
                numbers(name, f, [&](std::uint64_t n) {
                    none = none || n == 0;
                    fits = fits && checked_multiply(elements, n == 0 ? 1 : n, elements);
                });
            } else {
                std::size_t count = 0;
                numbers(name, f, [&](std::uint64_t n) {
                    if (count < 2) (count == 0 ? e.begin : e.end) = n;
                    ++count;
                });
                if (count != 2)
                    fail(where_ + ": " + place() + ": data_offsets has " + std::to_string(count) +
                         " numbers, expected 2");
            }
            any = scan_.more('}');
        }
        if (seen != 7)
            fail(where_ + ": " + place() + ": no \"" + fields[seen & 1 ? seen & 2 ? 2 : 1 : 0] +
                 "\"");
        check_size(e, fits, none ? 0 : elements);
        return e;
    }
    /// Calls f with each number of an array.
    template <class F>
    void numbers(std::string_view name, unsigned field, F&& f) {
        if (!scan_.next('[')) unexpected(tensor_place(name));
        bool any = !scan_.next(']');
        while (any) {
            std::uint64_t n = 0;
            if (!scan_.whole(n)) unexpected(tensor_place(name));
            if (n >> 63 != 0)
                fail(where_ + ": " + tensor_place(name) + ": " + fields[field] + " holds " +
                     std::to_string(n) + ", expected less than 2^63");
            f(n);
            any = scan_.more(']');
        }
    }
    template <class F>
    void extents(std::size_t at, F&& f) {
        scan_.go_to(at);
        numbers({}, 1, f);
    }
    /// What shape and dtype take must be what the offsets span. A product that wraps to zero is not
    /// an empty tensor, so a zero among the extents does not excuse the others.
    void check_size(const Entry& e, bool fits, std::uint64_t elements) {
        const auto refuse = [&](const std::string& what, const std::string& rest) {
            std::vector<std::uint64_t> shown;
            std::size_t count = 0;
            extents(e.shape, [&](std::uint64_t n) {
                if (++count <= 16) shown.push_back(n);
            });
            fail(where_ + ": " + tensor_place(e.name) + ": " + what + "shape " +
                 to_string(std::span<const std::uint64_t>(shown)) +
                 (count > 16 ? " and " + std::to_string(count - 16) + " more extents" : "") + rest);
        };
        const std::string of = " of " + std::string(name_of(e.dtype));
        std::uint64_t bits = 0;
        if (!fits) refuse("", " has more than 2^64 elements");
        if (!checked_multiply(elements, bits_of(e.dtype), bits))
            refuse("", " takes more than 2^64 bits");
        if (bits % 8 != 0) refuse("", of + " is no whole number of bytes");
        if (e.end < e.begin)
            fail(where_ + ": " + tensor_place(e.name) + ": data_offsets end at " +
                 std::to_string(e.end) + ", before " + std::to_string(e.begin));
        if (e.end - e.begin != bits / 8)
            refuse("data_offsets span " + std::to_string(e.end - e.begin) + " bytes, ",
                   of + " takes " + std::to_string(bits / 8));
    }

    [[nodiscard]] static std::uint64_t hash_of(std::string_view raw, bool metadata) {
        Xxh64 hash;
        hash.update(metadata ? "m" : "t");
        if (raw.find('\\') == raw.npos) hash.update(raw);
        else hash.update(unescaped(raw));
        return hash.digest();
    }
    /// No name twice: by their hashes, of which two are equal by chance once in 10^9 for 65536 names.
    void expect_distinct(std::size_t count) {
        std::vector<std::uint64_t> hashes;
        hashes.reserve(count);
        walk([&](const Entry& e) { hashes.push_back(hash_of(e.name, false)); },
             [&](std::string_view name, auto) { hashes.push_back(hash_of(name, true)); });
        std::sort(hashes.begin(), hashes.end());
        const auto twice = std::adjacent_find(hashes.begin(), hashes.end());
        if (twice == hashes.end()) return;
        walk(
            [&](const Entry& e) {
                if (hash_of(e.name, false) == *twice)
                    fail(where_ + ": " + tensor_place(e.name) + " twice");
            },
            [&](std::string_view name, auto) {
                if (hash_of(name, true) == *twice)
                    fail(where_ + ": __metadata__: key " + shown(name) + " twice");
            });
    }
    /// Tensors touch one another from the data's first byte to its last.
    void expect_layout(std::size_t count, std::uint64_t data, bool allow_trailing) {
        struct Place {
            std::uint64_t begin, end;
            std::string_view name;
        };
        std::vector<Place> places;
        places.reserve(count);
        walk(
            [&](const Entry& e) {
                places.push_back({e.begin, e.end, e.name});
            },
            [](auto, auto) {});
        std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
            return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
        });
        std::uint64_t at = 0;
        for (const Place& p : places) {
            if (p.begin != at)
                fail(where_ + ": " + tensor_place(p.name) + ": data_offsets begin at " +
                     std::to_string(p.begin) + ", the tensor before ends at " + std::to_string(at));
            at = p.end;
            if (at > data)
                fail(where_ + ": " + tensor_place(p.name) + ": data_offsets end at " +
                     std::to_string(at) + ", the data has " + std::to_string(data) + " bytes");
        }
        if (at != data && !allow_trailing)
            fail(where_ + ": " + std::to_string(data - at) + " bytes after the last tensor");
    }

    JsonScan scan_;
    std::string where_;
    std::size_t tensors_ = 0;
};

}  // namespace nibble
