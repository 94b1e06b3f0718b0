// An array has no proxy references: an element is written by set, never through operator[].
// expect: passing .const|no viable overloaded .=.|discards qualifiers|no match for .operator=.|cannot be assigned|is not assignable
#include <nibble/store/array.hpp>
#include <nibble/value/integer.hpp>

using namespace nibble;

void write(ValueArray<Int4Value, 8>& array, Int4Value v) {
#ifdef NIBBLE_BAD
    array[3] = v;
#else
    array.set(3, v);
#endif
}
