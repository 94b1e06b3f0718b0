// SPDX-License-Identifier: BSL-1.0
// Values of a genome out of JSON: each is taken as it stands, taken with a note of what was done, or
// refused with its path, what it is and what was expected.
#pragma once

#include <nibble/io/json.hpp>
#include <nibble/neuro/genome.hpp>

#include <algorithm>
#include <cmath>

namespace nibble::inline NIBBLE_ARCH {

/// What a reader of genomes may do.
struct GenomeOptions {
    /// Repair what is out of range, and say so. Without, the first such value is an Error.
    bool repair = true;
    JsonLimits limits{};
};

/// A value as a message shows it.
[[nodiscard]] inline std::string short_json(const Json& value) {
    std::string text = value.dump();
    if (text.size() <= 80) return text;
    std::size_t end = 77;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
    return text.substr(0, end) + "...";
}

/// A number without a fraction as one, others in full.
[[nodiscard]] inline Json json_number(double x) {
    if (std::fabs(x) < 9e15 && x == std::floor(x)) return Json(static_cast<std::int64_t>(x));
    return Json(x);
}

/// Where notes go and errors come from while a genome is read.
class GenomeValues {
public:
    GenomeValues(std::string file, const GenomeOptions& options, GenomeReport& report)
        : file_(std::move(file)), options_(options), report_(report) {}

    [[noreturn]] void refuse(const std::string& path, const Json& value,
                             const std::string& expected) const {
        fail(file_ + ": " + (path.empty() ? "/" : path) + " is " + short_json(value) +
             ", expected " + expected);
    }
    void note(GenomeNote::Kind kind, const std::string& path, const Json* value,
              const std::string& expected, const std::string& action) {
        if (kind == GenomeNote::Kind::repaired && !options_.repair && value != nullptr)
            refuse(path, *value, expected);
        report_.notes.push_back(
            {kind, path, value == nullptr ? "" : short_json(*value), expected, action});
    }
    void repaired(const std::string& path, const Json& value, const std::string& expected,
                  const std::string& taken) {
        note(GenomeNote::Kind::repaired, path, &value, expected, "taken as " + taken);
    }
    void ignored(const std::string& path, const Json& value, const std::string& why) {
        note(GenomeNote::Kind::ignored, path, &value, "", why);
    }
    /// Keeps a member that nothing reads.
    void keep(OtherMembers& other, const std::string& name, const Json& value,
              const std::string& path) {
        ignored(path, value, "kept without effect");
        other[name] = value.dump();
    }

    /// A number in [low, high], brought there when it is outside; null is `otherwise`.
    [[nodiscard]] double number(const Json& value, const std::string& path, double low, double high,
                                double otherwise) {
        const std::string expected = "a number" + range(low, high);
        double x = otherwise;
        if (value.is_null()) {
            note(GenomeNote::Kind::assumed, path, &value, expected, taken(otherwise));
            return otherwise;
        }
        if (value.is_number()) {
            x = value.get<double>();
        } else if (value.is_string() && from_text(value.get_ref<const std::string&>(), x)) {
            repaired(path, value, expected, json_number(x).dump());
        } else {
            refuse(path, value, expected);
        }
        const double kept = std::clamp(x, low, high);
        if (kept != x) repaired(path, value, expected, json_number(kept).dump());
        return kept;
    }
    /// The same without a fraction: the nearest whole number, of two the one farther from 0.
    template <class T>
    [[nodiscard]] T whole(const Json& value, const std::string& path, double low, double high,
                          double otherwise) {
        const double x = number(value, path, low, high, otherwise);
        const double kept = std::round(x);
        if (kept != x)
            repaired(path, value, "a whole number" + range(low, high), json_number(kept).dump());
        return static_cast<T>(kept);
    }
    [[nodiscard]] bool boolean(const Json& value, const std::string& path, bool otherwise) {
        if (value.is_boolean()) return value.get<bool>();
        if (value.is_null()) {
            note(GenomeNote::Kind::assumed, path, &value, "true or false",
                 std::string("taken as ") + (otherwise ? "true" : "false"));
            return otherwise;
        }
        if (!value.is_number()) refuse(path, value, "true or false");
        const bool kept = value.get<double>() != 0;
        repaired(path, value, "true or false", kept ? "true" : "false");
        return kept;
    }
    [[nodiscard]] std::string text(const Json& value, const std::string& path) {
        if (value.is_string()) return value.get<std::string>();
        if (value.is_null()) return {};
        if (value.is_structured()) refuse(path, value, "a text");
        repaired(path, value, "a text", Json(value.dump()).dump());
        return value.dump();
    }
    void expect_object(const Json& value, const std::string& path, const char* of) const {
        if (!value.is_object()) refuse(path, value, std::string("an object of ") + of);
    }
    [[nodiscard]] const std::string& file() const noexcept { return file_; }

private:
    [[nodiscard]] static std::string taken(double x) { return "taken as " + json_number(x).dump(); }
    [[nodiscard]] static std::string range(double low, double high) {
        if (high >= 3e38) return low < 0 ? "" : " from " + json_number(low).dump() + " up";
        return " from " + json_number(low).dump() + " to " + json_number(high).dump();
    }
    /// A number written as a text, as JSON writes numbers.
    [[nodiscard]] static bool from_text(const std::string& text, double& x) {
        const Json number = Json::parse(text, nullptr, /*allow_exceptions=*/false);
        if (!number.is_number()) return false;
        x = number.get<double>();
        return true;
    }

    std::string file_;
    GenomeOptions options_;
    GenomeReport& report_;
};

}  // namespace nibble
