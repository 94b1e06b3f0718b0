#include "run_at.hpp"

template example::Run example::run<nibble::Int4Value>(const Job&);
