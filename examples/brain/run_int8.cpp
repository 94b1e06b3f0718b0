#include "run_at.hpp"

template example::Run example::run<nibble::Int8Value>(const Job&);
