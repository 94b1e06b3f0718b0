// A store is a rounding decision: a float does not become a stored value by itself.
// expect: cannot convert|could not convert|no viable conversion|conversion from .float. to non-scalar
#include <nibble/value/float.hpp>

using namespace nibble;

half narrow(float x) {
#ifdef NIBBLE_BAD
    half h = x;
    return h;
#else
    return encode<half>(x);
#endif
}
