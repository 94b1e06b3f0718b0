#include "machine.hpp"

#include <nibble/kernel/executor.hpp>

#include <fstream>
#include <thread>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace tour {

Machine describe_machine(int threads) {
    Machine m;
    m.processor = "unknown processor";
    m.instruction_set = nibble::Isa::name;
    m.cores = static_cast<int>(std::thread::hardware_concurrency());
    m.threads = threads;
#if defined(__clang__)
    m.compiler = "clang++ " __clang_version__;
#elif defined(__GNUC__)
    m.compiler = "g++ " __VERSION__;
#endif
#if defined(__APPLE__)
    m.system = "macOS";
#elif defined(_WIN32)
    m.system = "Windows";
#elif defined(__linux__)
    m.system = "Linux";
    std::ifstream cpu("/proc/cpuinfo");
    for (std::string line; std::getline(cpu, line);) {
        const std::size_t colon = line.find(": ");
        if (colon != line.npos && line.starts_with("model name")) {
            m.processor = line.substr(colon + 2);
            break;
        }
    }
    m.memory_gib = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                   static_cast<double>(sysconf(_SC_PAGE_SIZE)) / 0x1p30;
    std::ifstream release("/etc/os-release");
    for (std::string line; std::getline(release, line);)
        if (line.starts_with("PRETTY_NAME=\"")) m.system = line.substr(13, line.size() - 14);
#endif
    return m;
}

}  // namespace tour
