#include "run_at.hpp"

template example::Run example::run<nibble::fp8_e4m3>(const Job&);
