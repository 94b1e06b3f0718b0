// What is neither a format nor a mix of formats is no precision, and the message says so.
// expect: Precision
#include <nibble/quant/format.hpp>

using namespace nibble;

template <Precision P>
struct Model {};

#ifdef NIBBLE_BAD
using Small = Model<int>;
#else
using Small = Model<PerComponent<half, Grouped<Int4Value, 32>>>;
#endif

static_assert(sizeof(Small) == 1);
