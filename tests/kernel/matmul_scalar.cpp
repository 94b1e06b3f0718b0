// Products with scaled weights, scalar fallback.
#include "matmul_reference.hpp"

using namespace nibble;

TEST_CASE("products with scaled weights without SIMD") {
    test::check_formats<isa::Scalar>(
        TypeList<PerTensor<fp8_e4m3>, Grouped<fp4_e2m1, 32, E8M0>, PerRow<Int8Value>,
                 Grouped<Int4Value, 8>, Grouped<Int2Value, 8, float, Offset::stored>,
                 PerRow<Int4Value, half, Offset::stored>>{});
}
