#include "unit.hpp"

#include <nibble/kernel/isa.hpp>

namespace {
const char* isa() { return nibble::Isa::name; }
}  // namespace

extern const app::Unit NIBBLE_DISPATCHED;
const app::Unit NIBBLE_DISPATCHED{isa};
