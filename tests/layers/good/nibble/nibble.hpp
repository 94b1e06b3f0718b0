#pragma once
#include <nibble/kernel/arch_avx2.hpp>
#include <nibble/store/span.hpp>
