#pragma once
#include <xsimd/xsimd.hpp>
#include <iostream>
