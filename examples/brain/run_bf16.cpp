#include "run_at.hpp"

template example::Run example::run<nibble::bfloat16>(const Job&);
