// Where the data sets and checkpoints are: the folder named by NIBBLE_DATA_DIR. Only tests/*/*_data.cpp
// use it; they are skipped when there is no such folder.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace test {

inline std::filesystem::path data_file(std::string_view name) {
    const char* folder = std::getenv("NIBBLE_DATA_DIR");
    return std::filesystem::path(folder == nullptr ? "" : folder) / name;
}

}  // namespace test
