// Fuzzing of FEAGI's byte container: any bytes are refused with an Error or read, and what was read is
// written again byte for byte (areas in the order of their ids).
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_container
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_container work tests/fuzz/corpus/container
//         -max_total_time=60
#include <nibble/neuro/byte_container.hpp>

#include <cstdlib>

using namespace nibble;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const std::span<const unsigned char> bytes(data, size);
        const ByteContainer c = read_container(bytes);
        const auto again = write_container(c);
        if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
        for (std::size_t i = 0; i < c.structures.size(); ++i) {
            if (c.type(i) != voxel_structure) {
                (void)read_json_text(c.structures[i]);
                continue;
            }
            const VoxelFrame frame = read_voxels(c.structures[i]);
            const auto written = write_voxels(frame);
            if (written.size() != c.structures[i].size() || read_voxels(written) != frame)
                std::abort();
            for (const auto& [id, spikes] : frame) {
                std::vector<float> values(8);
                (void)decode_percentages({.dimensions = 2}, spikes, values);
                std::vector<std::uint8_t> pixels(4 * 4 * 3);
                (void)decode_plane({4, 4, 3}, 0, spikes, pixels);
                (void)decode_block({2, 2, 2}, 1, spikes, values);
            }
        }
    } catch (const Error&) {
    }
    return 0;
}
