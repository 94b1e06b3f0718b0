#pragma once
#include <vector>
#include "../store/span.hpp"
