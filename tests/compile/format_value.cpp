// A format is made of a value type, and the message names the concept.
// expect: NeuralValue
#include <nibble/quant/format.hpp>

using namespace nibble;

#ifdef NIBBLE_BAD
using Weights = PerRow<int>;
#else
using Weights = PerRow<Int8Value>;
#endif

static_assert(Format<Weights>);
