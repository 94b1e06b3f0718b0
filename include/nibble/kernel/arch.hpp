// SPDX-License-Identifier: BSL-1.0
// The pieces of the register codec that instruction sets have and xsimd does not: all of arch_*.hpp.
#pragma once

#include <nibble/kernel/arch_avx512.hpp>
#include <nibble/kernel/arch_neon.hpp>
#include <nibble/kernel/arch_sse.hpp>
