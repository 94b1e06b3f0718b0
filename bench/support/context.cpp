// What every benchmark program says about itself in its report: the processor, the compiler, the
// instruction set.
#include <nibble/kernel/isa.hpp>

#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

namespace {

std::string processor() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);)
        if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
            return line.substr(line.find(": ") + 2);
    return "unknown";
}

std::string compiler() {
#if defined(__clang__)
    return __VERSION__;
#elif defined(__GNUC__)
    return std::string("g++ ") + __VERSION__;
#else
    return "unknown";
#endif
}

const bool added = [] {
    benchmark::AddCustomContext("processor", processor());
    benchmark::AddCustomContext("compiler", compiler());
    benchmark::AddCustomContext("instruction_set", nibble::Isa::name);
    return true;
}();

}  // namespace
