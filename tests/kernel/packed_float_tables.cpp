// Float activations on packed codes that are looked up, on fp8, and with scales of every type.
#include "packed_float_reference.hpp"

using namespace nibble;

TEST_CASE_TEMPLATE("packed tables and fp8", A, isa::Scalar, Isa) {
    test::check_packed_formats<A>(TypeList<Grouped<fp4_e2m1, 32, E8M0>, Grouped<Nf4, 64, float>,
                                           Grouped<fp4_e2m1, 16, fp8_e4m3>, PerRow<fp8_e4m3>,
                                           PerRow<Int8Value, half, Offset::stored>>{});
}
