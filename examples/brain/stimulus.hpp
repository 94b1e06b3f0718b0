// What a brain is fed: from a file, or noise for its senses.
#pragma once

#include "run.hpp"

#include <nibble/neuro/genome.hpp>

namespace example {

/// Inputs of a file, repeated as it says, for `bursts` bursts. The file is JSON:
///
///     {"inputs": [{"area": "iic400", "from": 1, "to": 1000, "every": 5, "potential": 20,
///                  "neurons": [0, 7] | "voxels": [[0, 0, 0]] | "all": true}]}
///
/// "area" is an id in any spelling or a name; "burst" may stand in place of from, to and every. How
/// many entries begin after the last burst is told on stderr. Errors give the file, the JSON path, the
/// value and what was expected.
std::vector<std::vector<Input>> read_inputs(const std::string& file, const nibble::Genome& genome,
                                            const nibble::GrownBrain& brain, std::size_t bursts);

/// Random input of one and a half thresholds for `share` of the neurons of every sensory area, or of
/// all areas when none is sensory, in each burst.
std::vector<std::vector<Input>> noise(const nibble::GrownBrain& brain, std::size_t bursts,
                                      double share, std::uint64_t seed);

}  // namespace example
