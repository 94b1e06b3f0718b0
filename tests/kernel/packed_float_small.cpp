// Float activations on packed codes below a byte, and other scales.
#include "packed_float_reference.hpp"

using namespace nibble;

TEST_CASE_TEMPLATE("packed small integers and tables", A, isa::Scalar, Isa) {
    test::check_packed_formats<A>(
        TypeList<Grouped<Int2Value, 32>, Grouped<Ternary, 40>, PerRow<Ternary, float>,
                 Grouped<Int2Value, 8, half, Offset::stored>, Grouped<fp4_e2m1, 32, E8M0>,
                 Grouped<Nf4, 64, float>, Grouped<fp4_e2m1, 16, fp8_e4m3>, PerRow<fp8_e4m3>,
                 PerRow<Int8Value, half, Offset::stored>>{});
}
