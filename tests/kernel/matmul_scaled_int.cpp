// Products with scaled integers and with offsets, native instruction set.
#include "matmul_reference.hpp"

using namespace nibble;

TEST_CASE("products with scaled integers") {
    test::check_formats<Isa>(
        TypeList<PerRow<Int8Value>, Grouped<Int8Value, 8>, PerTensor<Int4Value, fp8_e4m3>,
                 Grouped<Int4Value, 40>, Grouped<Int2Value, 32>, Grouped<Ternary, 24>>{});
}

TEST_CASE("an offset does not reach the padding") {
    test::check_formats<Isa>(TypeList<PerRow<Int4Value, half, Offset::stored>,
                                      PerTensor<Int8Value, float, Offset::stored>,
                                      Grouped<Int4Value, 32, half, Offset::stored>,
                                      Grouped<Int2Value, 8, float, Offset::stored>>{});
}
