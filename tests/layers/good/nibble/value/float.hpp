#pragma once
#include <vector>
#include "../version.hpp"
