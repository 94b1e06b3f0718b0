#pragma once
#include "second.hpp"
