// A program that uses nibble and knows nothing of its build.
#include <nibble/value/list.hpp>
#include <nibble/version.hpp>

#include <cstdio>

int main() {
    const auto code = nibble::encode<nibble::Int4Value>(2.6f);
    std::printf("nibble %s: 2.6 is stored as %g\n", NIBBLE_VERSION, double(nibble::decode(code)));
    return nibble::decode(code) == 3.0f ? 0 : 1;
}
