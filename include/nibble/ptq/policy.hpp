// SPDX-License-Identifier: BSL-1.0
// Which parameter is stored in which format: rules by name pattern, of which the first that matches
// wins.
//
//     # pattern            format            '#' starts a comment
//     wte.weight           int4-g32
//     h.*.mlp.*.weight     int3-g128
//     *.weight             int4-g128
//
// '*' stands for any run of characters, dots too, '?' for one. A parameter that no rule names stays
// float, and so does a vector (bias, gain) under a format with scales: those are for matrices.
#pragma once

#include <nibble/quant/spec.hpp>
#include <nibble/store/error.hpp>

#include <vector>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// Whether the whole of `name` is `pattern` with its stars and question marks filled in.
[[nodiscard]] constexpr bool matches(std::string_view pattern, std::string_view name) noexcept {
    std::size_t p = 0, n = 0, star = std::string_view::npos, kept = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            kept = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;  // the last star takes one character more
            n = ++kept;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

/// One line of a policy.
struct Rule {
    std::string pattern;
    QuantizationSpec spec;
};

/// Rules in order.
struct Policy {
    std::vector<Rule> rules;

    /// The format of the parameter of that name; plain fp32 when no rule names it.
    [[nodiscard]] QuantizationSpec operator()(std::string_view name) const {
        for (const Rule& rule : rules)
            if (matches(rule.pattern, name)) return rule.spec;
        return {};
    }
};

/// A policy from its text; fails naming `where`, the line, and what is wrong with it: also for integers
/// without scales, which hold no weights.
[[nodiscard]] inline Policy parse_policy(std::string_view text, const std::string& where) {
    Policy policy;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        line = line.substr(0, line.find('#'));
        std::vector<std::string> words;
        while (true) {
            const std::size_t first = line.find_first_not_of(" \t\r");
            if (first == std::string_view::npos) break;
            line = line.substr(first);
            const std::size_t last = line.find_first_of(" \t\r");
            words.emplace_back(line.substr(0, last));
            line = last == std::string_view::npos ? std::string_view{} : line.substr(last);
        }
        if (words.empty()) continue;
        const std::string at = where + ", line " + std::to_string(number) + ": ";
        if (words.size() != 2)
            fail(at + std::to_string(words.size()) + " words, expected a pattern and a format");
        const ParsedSpec parsed = parse_spec(words[1]);
        if (!parsed) fail(at + parsed.error);
        const bool small = default_spec(parsed.spec.value).granularity == Granularity::group ||
                           parsed.spec.value == ValueKind::int8;
        if (small && parsed.spec.granularity == Granularity::none)
            fail(at + "\"" + words[1] + "\": without scales, which such values need to be weights");
        policy.rules.push_back({words[0], parsed.spec});
    }
    return policy;
}

}  // namespace ptq
}  // namespace nibble
