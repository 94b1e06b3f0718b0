// A small brain for those who have no genome at hand.
#pragma once

#include <nibble/neuro/genome.hpp>

namespace example {

/// An eye of 32 x 32 that sees edges, a recurrent cortex of excitatory and inhibitory neurons, and
/// eight motors: some 3,000 neurons.
nibble::Genome demonstration();

}  // namespace example
