// docs/values.md says what the types say, and docs/quantization.md quotes code that is compiled.
#include <doctest/doctest.h>

#include "support/values.hpp"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

using namespace nibble;

namespace {

std::string text_of(const char* path) {
    std::ifstream file(std::string(NIBBLE_SOURCE_DIR) + "/" + path);
    REQUIRE_MESSAGE(file, path);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <class V>
std::string table_row(const char* type) {
    double smallest = 0;
    if constexpr (bits_v<V> <= 16) {
        for (const auto& e : test::numbers<V>())
            if (e.x > 0 && smallest == 0) smallest = e.x;
    } else {
        smallest = static_cast<double>(std::numeric_limits<V>::denorm_min());
    }
    char row[200];
    std::snprintf(row, sizeof row, "| `%s` | `%s` | %d | %.7g | %.7g | %.4g |",
                  std::string(value_traits<V>::name).c_str(), type, bits_v<V>,
                  test::number(value_traits<V>::lowest()), test::number(value_traits<V>::highest()),
                  smallest);
    return row;
}

}  // namespace

TEST_CASE("the table of values is true") {
    const std::string page = text_of("docs/values.md");
    for (const std::string& row :
         {table_row<double>("double"), table_row<float>("float"), table_row<half>("half"),
          table_row<bfloat16>("bfloat16"), table_row<fp8_e4m3>("fp8_e4m3"),
          table_row<fp8_e5m2>("fp8_e5m2"), table_row<fp4_e2m1>("fp4_e2m1"), table_row<Nf4>("Nf4"),
          table_row<Int8Value>("Int8Value"), table_row<Int4Value>("Int4Value"),
          table_row<Int3Value>("Int3Value"), table_row<Int2Value>("Int2Value"),
          table_row<Ternary>("Ternary"), table_row<E8M0>("E8M0"), table_row<Fixed8<4>>("Fixed8<4>"),
          table_row<Fixed16<8>>("Fixed16<8>")})
        CHECK_MESSAGE(page.find(row) != std::string::npos, row);
}

TEST_CASE("the guide quotes the example") {
    const std::string page = text_of("docs/quantization.md");
    const std::string source = text_of("examples/quantize_matrix.cpp");
    for (const char* name : {"quantize", "calibration", "run time", "stochastic"}) {
        const std::string mark = std::string("    // [") + name + "]\n";
        const std::size_t first = source.find(mark) + mark.size();
        const std::size_t last = source.find(mark, first);
        REQUIRE(last != std::string::npos);
        std::string quote;
        for (std::size_t at = first; at < last;) {
            const std::size_t end = source.find('\n', at);
            quote += source.substr(at + 4, end - at - 3);
            at = end + 1;
        }
        CHECK_MESSAGE(page.find("```cpp\n" + quote + "```") != std::string::npos, name);
    }
}
