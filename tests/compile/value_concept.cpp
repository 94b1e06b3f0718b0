// A type without value_traits is no NeuralValue, and the message says so.
// expect: NeuralValue
#include <nibble/value/float.hpp>

using namespace nibble;

struct Unknown {
    short bits;
};

#ifdef NIBBLE_BAD
using Element = Unknown;
#else
using Element = bfloat16;
#endif

template <NeuralValue V>
inline constexpr int width = bits_v<V>;

static_assert(width<Element> == 16);
