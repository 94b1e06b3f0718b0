#pragma once
#include <nibble/value/float.hpp>
#include <nibble/version.hpp>
