#pragma once

#include <nibble/version.hpp>
#include <nibble/kernel/sibling.hpp>
#include "missing.hpp"
