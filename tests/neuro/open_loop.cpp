// The same input to neurons of every precision: how near their spikes are to those of a reference in
// double. 1,000 neurons, 2,000 steps, 40 sets of parameters.
#include <doctest/doctest.h>
#include <support/neurons.hpp>

using namespace nibble;

TEST_CASE("open loop: INT8 and INT4 fire as the reference does") {
    const SpikeRecording reference = test::run_protocol<void>(40, 25, 2000);
    const auto compare = [&](const SpikeRecording& r) { return compare_spikes(reference, r); };
    const SpikeSimilarity fp32 = compare(test::run_protocol<float>(40, 25, 2000));
    CHECK(fp32.rate_error <= 0.01);
    const SpikeSimilarity fp16 = compare(test::run_protocol<half>(40, 25, 2000));
    CHECK(fp16.rate_error <= 0.2);
    CHECK(fp16.jaccard >= 0.95);
    const SpikeSimilarity int8 = compare(test::run_protocol<Int8Value>(40, 25, 2000));
    MESSAGE("int8: rate error " << int8.rate_error << " %, correlation " << int8.rate_correlation
                                << ", Jaccard " << int8.jaccard << ", coincidence "
                                << int8.coincidence);
    CHECK(int8.rate_error <= 1.5);
    CHECK(int8.rate_correlation >= 0.999);
    CHECK(int8.jaccard >= 0.80);
    CHECK(int8.coincidence >= 0.90);
    const SpikeSimilarity int4 = compare(test::run_protocol<Int4Value>(40, 25, 2000));
    MESSAGE("int4: rate error " << int4.rate_error << " %, correlation " << int4.rate_correlation);
    CHECK(int4.rate_error <= 6.0);
    CHECK(int4.rate_correlation >= 0.995);
    const SpikeSimilarity fixed = compare(test::run_protocol<Fixed16<8>>(40, 25, 2000));
    CHECK(fixed.rate_error <= 0.2);
}
