#include "run_at.hpp"

template example::Run example::run<float>(const Job&);
