// SPDX-License-Identifier: BSL-1.0
// The metadata of a GGUF file: keys to typed values.
#pragma once

#include <nibble/io/gguf_header.hpp>

#include <algorithm>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// The place of `name` in things that `order` sorts by name_of(thing); nullptr when it is not there.
template <class Thing, class Name>
[[nodiscard]] const Thing* find_by_name(const std::vector<Thing>& things,
                                        const std::vector<std::uint32_t>& order,
                                        std::string_view name, Name Thing::*member) {
    const auto at = std::lower_bound(
        order.begin(), order.end(), name,
        [&](std::uint32_t i, std::string_view n) { return things[i].*member < n; });
    return at != order.end() && things[*at].*member == name ? &things[*at] : nullptr;
}
/// The numbers 0, 1, ... of things, sorted by their names.
template <class Thing, class Name>
[[nodiscard]] std::vector<std::uint32_t> order_by_name(const std::vector<Thing>& things,
                                                       Name Thing::*member) {
    std::vector<std::uint32_t> order(things.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return things[a].*member < things[b].*member;
    });
    return order;
}

/// Keys and values of a file whose bytes have been checked. Typed access fails, naming key, place and
/// type, when the key is missing (the calls with a fallback give that instead) or its value is of
/// another type.
class GgufMetadata {
public:
    /// The file's name in quotes, as messages give it.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// All metadata, in the order of the file.
    [[nodiscard]] std::span<const GgufValue> values() const noexcept { return values_; }
    /// The value of a key; nullptr when it is not there.
    [[nodiscard]] const GgufValue* value(std::string_view key) const {
        return find_by_name(values_, by_key_, key, &GgufValue::key);
    }

    /// A string.
    [[nodiscard]] std::string_view text(std::string_view key) const {
        return text_of(expect(key, GgufKind::string, "a string"));
    }
    [[nodiscard]] std::string_view text(std::string_view key, std::string_view fallback) const {
        return value(key) == nullptr ? fallback : text(key);
    }
    /// An integer of any width and signedness, in [low, high].
    [[nodiscard]] std::uint64_t integer(std::string_view key, std::uint64_t low,
                                        std::uint64_t high) const {
        const GgufValue& v = at_key(key);
        std::uint64_t x = 0;
        bool negative = false;
        if (!whole(v, x, negative)) wrong(v, "an integer");
        if (negative || x < low || x > high)
            fail(name_ + ": key " + in_quotes(key) + " is " +
                 (negative ? "-" + std::to_string(0 - x) : std::to_string(x)) + ", expected " +
                 std::to_string(low) + " to " + std::to_string(high));
        return x;
    }
    [[nodiscard]] std::uint64_t integer(std::string_view key, std::uint64_t low, std::uint64_t high,
                                        std::uint64_t fallback) const {
        return value(key) == nullptr ? fallback : integer(key, low, high);
    }
    /// An f32 or f64.
    [[nodiscard]] double number(std::string_view key) const {
        const GgufValue& v = at_key(key);
        if (v.kind == GgufKind::f64) return scalar<double>(v.bytes.data());
        if (v.kind != GgufKind::f32) wrong(v, "a floating-point number");
        return static_cast<double>(scalar<float>(v.bytes.data()));
    }
    [[nodiscard]] double number(std::string_view key, double fallback) const {
        return value(key) == nullptr ? fallback : number(key);
    }
    /// A bool.
    [[nodiscard]] bool boolean(std::string_view key) const {
        return expect(key, GgufKind::boolean, "a bool").bytes[0] != std::byte{0};
    }
    [[nodiscard]] bool boolean(std::string_view key, bool fallback) const {
        return value(key) == nullptr ? fallback : boolean(key);
    }
    /// The elements of an array whose element type is T: an integer type, float, double or bool.
    template <class T>
    [[nodiscard]] std::vector<T> array(std::string_view key) const {
        const GgufValue& v = expect_array(key, gguf_kind_of<T>());
        std::vector<T> out(static_cast<std::size_t>(v.count));
        for (std::size_t i = 0; i < out.size(); ++i)
            out[i] = scalar<T>(v.bytes.data() + i * sizeof(T));
        return out;
    }
    /// The elements of an array of strings, as views of the file.
    [[nodiscard]] std::vector<std::string_view> strings(std::string_view key) const {
        const GgufValue& v = expect_array(key, GgufKind::string);
        std::vector<std::string_view> out;
        out.reserve(static_cast<std::size_t>(v.count));
        for_each_string(v, [&](std::string_view text) { out.push_back(text); });
        return out;
    }
    /// Calls f with each string of an array of strings (or with the one of a string).
    template <class F>
    static void for_each_string(const GgufValue& v, F&& f) {
        if (v.kind == GgufKind::string) return f(text_of(v));
        std::span<const std::byte> left = v.bytes;
        for (std::uint64_t i = 0; i < v.count; ++i) {
            const auto n = static_cast<std::size_t>(load_little<std::uint64_t>(left.data()));
            f(std::string_view(reinterpret_cast<const char*>(left.data()) + 8, n));
            left = left.subspan(8 + n);
        }
    }
    /// A scalar or an array's element as its C++ type.
    template <class T>
    [[nodiscard]] static T scalar(const std::byte* at) noexcept {
        if constexpr (std::is_same_v<T, bool>) return *at != std::byte{0};
        else if constexpr (std::is_same_v<T, float>)
            return std::bit_cast<float>(load_little<std::uint32_t>(at));
        else if constexpr (std::is_same_v<T, double>)
            return std::bit_cast<double>(load_little<std::uint64_t>(at));
        else return static_cast<T>(load_little<std::make_unsigned_t<T>>(at));
    }

protected:
    std::string name_;
    std::vector<GgufValue> values_;
    std::vector<std::uint32_t> by_key_;  // places in values_, sorted by key

    [[nodiscard]] static std::string_view text_of(const GgufValue& v) noexcept {
        return {reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()};
    }
    /// Any integer, as two's complement of 64 bits; false for a value of another type.
    [[nodiscard]] static bool whole(const GgufValue& v, std::uint64_t& x, bool& negative) {
        const std::byte* at = v.bytes.data();
        const auto as = [&](auto number) {
            x = static_cast<std::uint64_t>(number);
            negative = number < decltype(number){};
            return true;
        };
        switch (v.kind) {
            case GgufKind::u8: return as(scalar<std::uint8_t>(at));
            case GgufKind::u16: return as(scalar<std::uint16_t>(at));
            case GgufKind::u32: return as(scalar<std::uint32_t>(at));
            case GgufKind::u64: return as(scalar<std::uint64_t>(at));
            case GgufKind::i8: return as(scalar<std::int8_t>(at));
            case GgufKind::i16: return as(scalar<std::int16_t>(at));
            case GgufKind::i32: return as(scalar<std::int32_t>(at));
            case GgufKind::i64: return as(scalar<std::int64_t>(at));
            default: return false;
        }
    }
    [[nodiscard]] const GgufValue& at_key(std::string_view key) const {
        const GgufValue* v = value(key);
        if (v == nullptr) fail(name_ + ": no key " + in_quotes(key));
        return *v;
    }
    [[noreturn]] void wrong(const GgufValue& v, const std::string& expected) const {
        fail(name_ + ": key " + in_quotes(v.key) + " at offset " + std::to_string(v.offset) +
             " is of type " +
             (v.kind == GgufKind::array ? "array of " + std::string(name_of(v.element))
                                        : std::string(name_of(v.kind))) +
             ", expected " + expected);
    }
    [[nodiscard]] const GgufValue& expect(std::string_view key, GgufKind kind,
                                          const char* expected) const {
        const GgufValue& v = at_key(key);
        if (v.kind != kind) wrong(v, expected);
        return v;
    }
    [[nodiscard]] const GgufValue& expect_array(std::string_view key, GgufKind element) const {
        const GgufValue& v = at_key(key);
        if (v.kind != GgufKind::array || v.element != element)
            wrong(v, "array of " + std::string(name_of(element)));
        return v;
    }
};

}  // namespace nibble
