// A group is a multiple of 8 values long.
// expect: constraint
#include <nibble/quant/format.hpp>

using namespace nibble;

#ifdef NIBBLE_BAD
using Weights = Grouped<Int4Value, 12>;
#else
using Weights = Grouped<Int4Value, 24>;
#endif

static_assert(spec_of<Weights>().group > 0);
