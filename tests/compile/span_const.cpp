// A read-only run cannot be written.
// expect: no matching function|constraints not satisfied|invalid reference to function
#include <nibble/store/span.hpp>
#include <nibble/value/float.hpp>

using namespace nibble;

#ifdef NIBBLE_BAD
void clear(ValueSpan<const half> run) {
#else
void clear(ValueSpan<half> run) {
#endif
    run.set(0, encode<half>(0.0f));
}
