#pragma once
#include <xsimd/xsimd.hpp>
#include "../store/span.hpp"
