// attention_cached on scalar registers.
#include "cached_reference.hpp"

using namespace cached;

TEST_CASE_TEMPLATE("attention over a cache on scalar registers", F, half,
                   Grouped<Int4Value, 64, half, Offset::stored>) {
    const BasicHost<isa::Scalar> on(1);
    check<F>(on, {3, 1, 5, 9, 1, 1});
    check<F>(on, {4, 2, 48, 90, 85, 3});
    check<F>(on, {6, 2, 64, 70, 150, 9, 20});
    check<F>(on, {2, 1, 33, 130, 120, 40});
}
