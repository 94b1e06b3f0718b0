// Products with scaled small floats, native instruction set.
#include "matmul_reference.hpp"

using namespace nibble;

TEST_CASE("products with scaled small floats") {
    test::check_formats<Isa>(
        TypeList<PerTensor<fp8_e4m3>, PerRow<fp8_e5m2, float>, Grouped<fp4_e2m1, 32, E8M0>,
                 Grouped<Nf4, 64>, Grouped<fp8_e4m3, 24, half, Offset::stored>>{});
}
