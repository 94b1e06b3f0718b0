// Runs a program and reads what it printed.
#pragma once

#include "support/temporary.hpp"

#include <cstdlib>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

namespace test {

struct Outcome {
    int status = 0;
    std::string out, error;
};

/// The program with arguments, in a folder that takes its two outputs.
inline Outcome run(const std::string& program, const std::string& arguments,
                   const Temporary& folder) {
    const std::string command = "\"" + program + "\" " + arguments + " > \"" + (folder / "out") +
                                "\" 2> \"" + (folder / "error") + "\"";
    const int raw = std::system(command.c_str());
#if defined(_WIN32)
    const int status = raw;
#else
    const int status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
#endif
    return {status, read_file(folder / "out"), read_file(folder / "error")};
}

}  // namespace test
