// A fixed array of neurons whose scale puts the threshold beyond the highest code does not compile.
// expect: lif_threshold_is_beyond_the_highest_code
#include <nibble/neuro/lif_fixed.hpp>

using namespace nibble;

#ifdef NIBBLE_BAD
constexpr double scale = 1.0 / 200;
#else
constexpr double scale = 1.0 / 127;
#endif

constinit LifArray<Int8Value, 64> neurons{{.leak = 0.9, .threshold = 1.0, .reset = 0.0},
                                          {.scale = scale}};
