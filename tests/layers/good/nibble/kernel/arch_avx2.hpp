#pragma once
#include "simd.hpp"
#include <immintrin.h>
