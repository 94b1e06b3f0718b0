// SPDX-License-Identifier: BSL-1.0
// Leaky integrate-and-fire neurons: LifArray<V, N> of a fixed number, LifArray<V> of any number.
//
// The fixed form alone, without a heap or xsimd below it, is <nibble/neuro/lif_fixed.hpp>; a
// freestanding compiler gets only that one from here too.
#pragma once

#include <nibble/neuro/lif_fixed.hpp>

#if __STDC_HOSTED__
#include <nibble/neuro/lif_array.hpp>
#endif
