#pragma once
// A cycle.
#include <nibble/kernel/first.hpp>
#include <boost/any.hpp>
