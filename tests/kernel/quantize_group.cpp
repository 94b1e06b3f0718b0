// Groups of activations in int8: every length, group size, stride and alignment against the formula,
// number by number; NaN, infinities, tiny and huge groups; equal on all registers.
#include <nibble/kernel/quantize_group.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace nibble;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int8_t guard = 99;

struct Quantized {
    std::vector<std::int8_t> codes;
    std::vector<float> scales;
    std::vector<std::int32_t> sums;
    Quantized(std::size_t groups, std::size_t code_stride, std::size_t stride)
        : codes(groups * code_stride + 3, guard),
          scales(groups * stride + 1, -7.0f),
          sums(groups * stride + 1, -7) {}
    [[nodiscard]] GroupCodes to(std::size_t code_stride, std::size_t stride) {
        return {codes.data(), code_stride, scales.data(), sums.data(), stride};
    }
};

// The definition.
void reference(const float* x, std::size_t n, std::size_t group, std::size_t code_stride,
               std::size_t stride, Quantized& to) {
    for (std::size_t g = 0; g * group < n; ++g) {
        const std::size_t first = g * group, end = first + group < n ? first + group : n;
        float most = 0.0f;
        bool finite = true;
        for (std::size_t k = first; k < end; ++k) {
            finite = finite && std::isfinite(x[k]);
            most = std::fmax(most, std::fabs(x[k]));
        }
        const bool some = finite && most >= 0x1p-100f;
        std::int32_t sum = 0;
        for (std::size_t k = first; k < end; ++k) {
            const auto q =
                static_cast<std::int32_t>(some ? std::nearbyint(x[k] * (127.0f / most)) : 0.0f);
            to.codes[g * code_stride + k - first] = static_cast<std::int8_t>(q);
            sum += q;
        }
        to.scales[g * stride] = !finite ? nan : some ? most / 127.0f : 0.0f;
        to.sums[g * stride] = sum;
    }
}

bool same(const Quantized& a, const Quantized& b) {
    bool equal = a.codes == b.codes && a.sums == b.sums;
    for (std::size_t i = 0; i < a.scales.size(); ++i)
        equal = equal &&
                (std::isnan(a.scales[i]) ? std::isnan(b.scales[i]) : a.scales[i] == b.scales[i]);
    return equal;
}

template <class A>
bool agrees(const float* x, std::size_t n, std::size_t group, std::size_t code_stride,
            std::size_t stride) {
    const std::size_t groups = (n + group - 1) / group;
    Quantized got(groups, code_stride, stride), right(groups, code_stride, stride);
    quantize_groups<A>(x, n, group, got.to(code_stride, stride));
    reference(x, n, group, code_stride, stride, right);
    return same(got, right);
}

template <class A>
void everything() {
    std::vector<float> x(2048 + 64);
    Random random(3);
    for (float& v : x)
        v = static_cast<float>(std::ldexp(random.uniform() - 0.5, int(random.below(12))));
    for (const std::size_t group : {1u, 5u, 8u, 16u, 24u, 32u, 40u, 64u, 96u, 128u, 1024u}) {
        std::size_t wrong = 0;
        for (std::size_t n = 0; n <= 4 * 64 + 3; ++n)
            for (const std::size_t offset : {std::size_t{0}, std::size_t{1}, n % 16})
                wrong += agrees<A>(x.data() + offset, n, group, group + n % 3, 1 + n % 2) ? 0u : 1u;
        wrong += agrees<A>(x.data() + 7, 2048, group, group, 1) ? 0u : 1u;
        INFO(std::string(A::name) << ", groups of " << group);
        CHECK(wrong == 0);
    }
}

template <class A>
void extremes() {
    for (const std::size_t group : {8u, 32u, 64u}) {
        const float numbers[] = {inf,  -inf,   nan,       0x1p-100f, 0x1.fffffep-101f, 1e-45f,
                                 0.0f, -3e38f, 0x1p-126f, -0.0f,     3.4028234e38f};
        for (const float odd : numbers)
            for (std::size_t at = 0; at < 5 * group; at += 3) {
                std::vector<float> x(5 * group, 0.0f);
                x[at] = odd;
                CHECK(agrees<A>(x.data(), x.size(), group, group, 1));
                for (std::size_t k = 0; k < x.size(); ++k)
                    x[k] = k == at ? odd : 0.25f * static_cast<float>(k % 7) - 0.5f;
                CHECK(agrees<A>(x.data(), x.size(), group, group, 1));
            }
        // Ties: the largest is 127, so codes are the numbers rounded to even.
        std::vector<float> x(4 * group);
        for (std::size_t k = 0; k < x.size(); ++k)
            x[k] = k % group == 0 ? -127.0f : static_cast<float>(k % 200) - 99.5f;
        CHECK(agrees<A>(x.data(), x.size(), group, group, 1));
    }
}

}  // namespace

TEST_CASE("groups of activations in int8") {
    everything<Isa>();
    everything<isa::Scalar>();
#if NIBBLE_SIMD && defined(__AVX512BW__)
    everything<isa::Avx2>();
#endif
}
TEST_CASE("groups of activations that are not ordinary numbers") {
    extremes<Isa>();
    extremes<isa::Scalar>();
}
