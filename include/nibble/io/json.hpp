// SPDX-License-Identifier: BSL-1.0
// JSON, strictly. The parser is nlohmann-json; this adds what it lets pass: a key given twice (it
// keeps the last), a zero byte after the value (it takes it for the end), a byte order mark, depth
// and size without a limit, and numbers that silently become floating-point.
#pragma once

#include <nibble/io/text.hpp>
#include <nibble/store/error.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

using Json = nlohmann::json;

/// What a text may ask of its reader.
struct JsonLimits {
    std::size_t bytes = 100'000'000;
    std::size_t depth = 64;
};

/// Runs `events` (a SAX handler of nlohmann-json whose callbacks fail() on what they refuse) over
/// one JSON object and nothing after it but white space. Syntax and UTF-8 errors name `where` and
/// the offset.
template <class Events>
void read_json_object(std::string_view text, const std::string& where, Events& events,
                      const JsonLimits& limits = {}) {
    if (text.size() > limits.bytes)
        fail(where + ": JSON of " + std::to_string(text.size()) + " bytes, at most " +
             std::to_string(limits.bytes) + " are read");
    if (text.empty() || text.front() != '{') fail(where + ": JSON does not begin with '{'");
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
        fail(where + ": JSON has a zero byte at offset " + std::to_string(zero));
    static_cast<void>(Json::sax_parse(text.begin(), text.end(), &events, Json::input_format_t::json,
                                      /*strict=*/true));
}

/// What every strict handler shares: the place for messages, and callbacks that refuse.
class JsonEvents : public nlohmann::json_sax<Json> {
public:
    explicit JsonEvents(std::string where) : where_(std::move(where)) {}

    bool null() override { return refuse("null"); }
    bool boolean(bool) override { return refuse("true or false"); }
    bool number_integer(number_integer_t x) override {
        return refuse("number " + std::to_string(x));
    }
    bool number_unsigned(number_unsigned_t x) override {
        return refuse("number " + std::to_string(x));
    }
    bool number_float(number_float_t, const string_t& text) override {
        return refuse("number " + text.substr(0, 40));
    }
    bool string(string_t& text) override { return refuse("string " + in_quotes(text)); }
    bool binary(binary_t&) override { return refuse("binary data"); }
    bool start_object(std::size_t) override { return refuse("object"); }
    bool end_object() override { return true; }
    bool key(string_t&) override { return true; }
    bool start_array(std::size_t) override { return refuse("array"); }
    bool end_array() override { return true; }
    bool parse_error(std::size_t position, const std::string&,
                     const nlohmann::detail::exception& e) override {
        // "[json.exception.parse_error.101] parse error at line ...: what": the tail says it.
        std::string text = e.what();
        if (const std::size_t from = text.find("] "); from != std::string::npos)
            text.erase(0, from + 2);
        fail(where_ + ": not valid JSON at byte " + std::to_string(position) + ": " +
             text.substr(0, 200));
    }

protected:
    /// Where in the document the reader is, for messages.
    [[nodiscard]] virtual std::string place() const { return where_; }
    /// Always fails; a callback returns it.
    bool refuse(const std::string& what) const { fail(place() + ": unexpected " + what); }
    const std::string where_;
};

/// Checks a whole document: no key twice in one object, depth within the limit, every number
/// finite.
class JsonCheck final : public JsonEvents {
public:
    JsonCheck(std::string where, const JsonLimits& limits)
        : JsonEvents(std::move(where)), depth_(limits.depth) {}

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool start_object(std::size_t) override { return open(); }
    bool start_array(std::size_t) override { return open(); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override {
        if (!keys_.back().insert(name).second) fail(where_ + ": key " + in_quotes(name) + " twice");
        return true;
    }

private:
    bool open() {
        if (keys_.size() == depth_)
            fail(where_ + ": nested deeper than " + std::to_string(depth_) + " levels");
        keys_.emplace_back();
        return true;
    }
    bool close() {
        keys_.pop_back();
        return true;
    }
    std::vector<std::unordered_set<std::string>> keys_;
    std::size_t depth_;
};

/// One JSON object from text, under every rule above. `where` (a file) goes into the errors.
[[nodiscard]] inline Json parse_json(std::string_view text, const std::string& where,
                                     const JsonLimits& limits = {}) {
    JsonCheck check(where, limits);
    read_json_object(text, where, check, limits);
    return Json::parse(text.begin(), text.end());
}

/// The member `field` of an object; fails when it is not there.
[[nodiscard]] inline const Json& json_member(const Json& object, const char* field,
                                             const std::string& where) {
    const auto found = object.find(field);
    if (found == object.end()) fail(where + ": no \"" + field + "\"");
    return *found;
}

/// The member `field` as a whole number in [low, high]: no sign, fraction or exponent in the text.
[[nodiscard]] inline std::uint64_t json_integer(const Json& object, const char* field,
                                                std::uint64_t low, std::uint64_t high,
                                                const std::string& where) {
    const Json& value = json_member(object, field, where);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() < low ||
        value.get<std::uint64_t>() > high)
        fail(where + ": \"" + field + "\" is " + value.dump().substr(0, 80) +
             ", expected a whole number from " + std::to_string(low) + " to " +
             std::to_string(high));
    return value.get<std::uint64_t>();
}

/// `text` as a JSON string with its quotes. Fails for what is not UTF-8.
[[nodiscard]] inline std::string json_string(const std::string& text, const std::string& where) {
    try {
        return Json(text).dump();
    } catch (const Json::exception&) {
        fail(where + ": a name or a text is not valid UTF-8");
    }
}

}  // namespace nibble
