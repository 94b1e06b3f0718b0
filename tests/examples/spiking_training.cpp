// Spiking nets trained as their user does it: Yin-Yang, and digits where the data is.
// NIBBLE_SPIKING_TRAINING is the program's path.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

namespace fs = std::filesystem;

bool runs(const std::string& arguments) {
    const std::string quiet =
#if defined(_WIN32)
        " > NUL 2>&1";
#else
        " > /dev/null 2>&1";
#endif
    return std::system(("\"" NIBBLE_SPIKING_TRAINING "\" " + arguments + quiet).c_str()) == 0;
}

}  // namespace

TEST_CASE("Yin-Yang: 95 % in FP32, INT4 weights with INT8 potentials within a point") {
    CHECK(runs("--at-least 95"));
}

TEST_CASE("what is wrong with the options is an error") {
    CHECK_FALSE(runs("--epochs 0"));
    CHECK_FALSE(runs("--test nowhere.csv"));
    CHECK_FALSE(runs("--train nowhere.csv --test nowhere.csv"));
    CHECK_FALSE(runs("--epochs 1 --at-least 99"));  // it does look
}

TEST_CASE("8x8 digits: 96 %") {
    const char* data = std::getenv("NIBBLE_DATA_DIR");
    const fs::path folder = data == nullptr ? "" : data;
    std::string files;
    for (const char* ending : {".csv", ".csv.gz"}) {
        const fs::path train = folder / (std::string("optdigits.tra") + ending);
        const fs::path test = folder / (std::string("optdigits.tes") + ending);
        if (files.empty() && fs::exists(train) && fs::exists(test))
            files = "--train \"" + train.string() + "\" --test \"" + test.string() + "\"";
    }
    if (files.empty() || !runs(files + " --epochs 1 --at-least 50")) {
        MESSAGE(
            "skipped: no optdigits in NIBBLE_DATA_DIR, or they are packed and there is no zlib");
        return;
    }
    CHECK(runs(files + " --epochs 15 --at-least 96"));
}
