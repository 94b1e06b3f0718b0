#pragma once
#include <vector>
#include "../version.hpp"
namespace nibble::inline NIBBLE_ARCH {
struct A;
}
