// Float activations on packed codes of two bits.
#include "packed_float_reference.hpp"

using namespace nibble;

TEST_CASE_TEMPLATE("packed codes of two bits", A, isa::Scalar, Isa) {
    test::check_packed_formats<A>(
        TypeList<Grouped<Int2Value, 32>, Grouped<Ternary, 40>, PerRow<Ternary, float>,
                 Grouped<Int2Value, 8, half, Offset::stored>>{});
}
