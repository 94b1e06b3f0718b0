// A robot's arm and eye as spikes, in a message as FEAGI's agents send it, and the answer as numbers.
#include <nibble/neuro/byte_container.hpp>
#include <nibble/neuro/spike_coding.hpp>

#include <cstdio>
#include <vector>

using namespace nibble;

int main() {
    const std::vector<float> angles{-0.25f, 0.8f};
    // quote: voxels
    const PercentageLayout arm{.depth = 20,
                               .dimensions = 2,
                               .is_signed = true,
                               .code = PercentageCode::linear,
                               .rule = CoderRule::round_trip};
    const PlaneLayout eye{.width = 4, .height = 3, .colours = 1};
    const std::vector<std::uint8_t> picture{0, 0, 9, 0, 0, 200, 90, 0, 0, 0, 30, 0};

    VoxelFrame frame;  // voxels by the ids of areas
    encode_percentages(arm, 0, angles, frame[cortical_io_id('o', "mot", 0, 0, 0)]);
    encode_plane(eye, 0, picture, frame[cortical_io_id('i', "img", 0, 0, 0)]);

    ByteContainer message;
    message.counter = 1;
    message.structures.push_back(write_voxels(frame));
    const std::vector<unsigned char> bytes = write_container(message);
    // end quote
    std::printf("message: %zu bytes\n", bytes.size());

    // quote: back
    const VoxelFrame read = read_voxels(read_container(bytes).structures[0]);
    std::vector<float> back(2);
    decode_percentages(arm, read.at(cortical_io_id('o', "mot", 0, 0, 0)), back);
    // end quote
    std::printf("angles:  %.3f %.3f, back %.3f %.3f\n", static_cast<double>(angles[0]),
                static_cast<double>(angles[1]), static_cast<double>(back[0]),
                static_cast<double>(back[1]));

    // quote: trains
    const std::vector<float> pixels{0.0f, 0.2f, 0.6f, 1.0f};
    const SpikeRecording rates = encode_rates(pixels, 200, {.most = 0.5, .seed = 1});
    const SpikeRecording times = encode_latencies(pixels, 50);
    const std::vector<float> by_rate = decode_rates(rates, {.most = 0.5});
    // end quote
    for (std::size_t i = 0; i < pixels.size(); ++i)
        std::printf("pixel %.1f: %u spikes in 200 steps (%.2f), or one at step %d\n",
                    static_cast<double>(pixels[i]), rates.counts()[i],
                    static_cast<double>(by_rate[i]),
                    times.counts()[i] == 0 ? -1 : static_cast<int>(times.trains()[i][0]));
}
