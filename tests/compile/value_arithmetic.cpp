// Stored values have no arithmetic: code decodes, computes and encodes.
// expect: no match for .operator[+]|invalid operands to binary expression
#include <nibble/value/integer.hpp>

using namespace nibble;

float sum(Int4Value a, Int4Value b) {
#ifdef NIBBLE_BAD
    return decode(a + b);
#else
    return decode(a) + decode(b);
#endif
}
