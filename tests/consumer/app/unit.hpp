// A table in a namespace, as a program that uses nibble has it.
#pragma once

namespace app {
struct Unit {
    const char* (*isa)();
};
const Unit& unit();
}  // namespace app
