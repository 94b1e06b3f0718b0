#include "run_at.hpp"

template example::Run example::run<nibble::half>(const Job&);
