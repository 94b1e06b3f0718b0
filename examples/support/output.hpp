// What a program does before it says that all went well.
#pragma once

#include <nibble/store/error.hpp>

#include <cstdio>

/// Fails when standard output has not taken everything: a full disk, a closed pipe.
inline void finish_output() {
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        nibble::fail("standard output took not everything that was written to it");
}
