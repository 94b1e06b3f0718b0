// Float activations on packed integers.
#include "packed_float_reference.hpp"

using namespace nibble;

TEST_CASE_TEMPLATE("packed integers", A, isa::Scalar, Isa) {
    test::check_packed_formats<A>(
        TypeList<PerRow<Int8Value>, PerTensor<Int8Value, float>, Grouped<Int8Value, 32>,
                 Grouped<Int4Value, 32>, Grouped<Int4Value, 128, half, Offset::stored>,
                 PerRow<Int4Value>, Grouped<Int4Value, 8>>{});
}
