// main() of every test executable. A test that needs NIBBLE_DATA_DIR is started with
// NIBBLE_TEST_NEEDS_DATA set and answers 77, which ctest reports as skipped, when the folder is not
// there.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

int main(int argc, char** argv) {
    if (std::getenv("NIBBLE_TEST_NEEDS_DATA") != nullptr) {
        const char* folder = std::getenv("NIBBLE_DATA_DIR");
        if (folder == nullptr || !std::filesystem::is_directory(folder)) {
            std::puts("skipped: needs a folder named by NIBBLE_DATA_DIR");
            return 77;
        }
    }
    doctest::Context context(argc, argv);
    return context.run();
}
