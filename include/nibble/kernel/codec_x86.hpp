// SPDX-License-Identifier: BSL-1.0
// The former name of arch.hpp.
#pragma once

#include <nibble/kernel/arch.hpp>
