#include "unit.hpp"

#include <cstdio>

int main() {
    std::printf("chosen: %s\n", app::unit().isa());
    return 0;
}
