// SPDX-License-Identifier: BSL-1.0
// How everything above rank 2 reports a bad argument, file or shape.
#pragma once

#include <nibble/store/view.hpp>

#include <stdexcept>
#include <string>

#if !defined(__cpp_exceptions)
#include <cstdio>
#include <cstdlib>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// What the library throws. The message names the thing (file, parameter, shape), the value met, and
/// what was expected.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws Error; without exceptions, prints the message and aborts.
[[noreturn]] inline void fail(const std::string& message) {
#if defined(__cpp_exceptions)
    throw Error("nibble: " + message);
#else
    std::fprintf(stderr, "nibble: %s\n", message.c_str());
    std::abort();
#endif
}

/// "[8, 64, 128]"
[[nodiscard]] inline std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        if (i != 0) text += ", ";
        text += std::to_string(shape[i]);
    }
    return text + "]";
}

/// n, which must not be 0: "Linear: in is 0, expected at least 1".
[[nodiscard]] inline std::size_t at_least_one(std::size_t n, const char* where, const char* what) {
    if (n == 0) fail(std::string(where) + ": " + what + " is 0, expected at least 1");
    return n;
}

/// Fails unless `got` equals `expected`: "Linear: input has 96 columns, expected 128".
inline void expect_equal(std::size_t got, std::size_t expected, const char* where,
                         const char* what) {
    if (got != expected)
        fail(std::string(where) + ": " + what + " is " + std::to_string(got) + ", expected " +
             std::to_string(expected));
}

}  // namespace nibble
