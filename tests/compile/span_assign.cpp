// A span has no proxy references: an element is written by set, never through operator[].
// expect: passing .const|no viable overloaded .=.|discards qualifiers|no match for .operator=.|cannot be assigned|is not assignable
#include <nibble/store/span.hpp>
#include <nibble/value/integer.hpp>

using namespace nibble;

void write(ValueSpan<Int4Value> run, Int4Value v) {
#ifdef NIBBLE_BAD
    run[3] = v;
#else
    run.set(3, v);
#endif
}
