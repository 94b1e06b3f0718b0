// Neuron models: against the equations they integrate, on every instruction set, for any number of
// threads, with states of several types; and a model of a user's own.
#include <nibble/neuro/lif_array.hpp>
#include <nibble/neuro/model_array.hpp>
#include <nibble/neuro/models.hpp>
#include <nibble/neuro/resting.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace nibble;

namespace {

/// A model as a user writes one: V decays in steps, and a spike halves what is above the threshold.
struct Halving {
    double keep = 0.5, threshold = 1.0;
    static constexpr std::size_t states = 1, ports = 1;
    double refractory = 0.3;
    [[nodiscard]] double extent(std::size_t) const { return 4.0 * threshold; }

    struct Step {
        float keep, threshold;
        template <class B>
        NIBBLE_INLINE auto operator()(B* x, const Arrived<B>* in) const noexcept {
            x[0] = in[0].onto(x[0] * B(keep));
            return x[0] >= B(threshold);
        }
        template <class B>
        NIBBLE_INLINE void reset(B* x) const noexcept {
            x[0] = x[0] - x[0] * B(0.5f);
        }
    };
    [[nodiscard]] Step step(double) const {
        return {static_cast<float>(keep), static_cast<float>(threshold)};
    }
};
static_assert(NeuronModel<Halving> && NeuronModel<Lif> && NeuronModel<CobaLif>);

/// Runs neurons with random input and folds all states and spikes into a number.
template <class M, class V, class A>
std::uint64_t run(const M& model, double input, int threads = 1, std::size_t n = 200) {
    ModelArray<M, V, A> cells(n, model, 0.1, StateRounding::automatic, 3);
    const BasicHost<A> on(threads);
    std::vector<float> in(M::ports * padded(n));
    Random random(5);
    std::uint64_t hash = 0;
    for (int t = 0; t < 400; ++t) {
        for (std::size_t p = 0; p < M::ports; ++p)
            for (std::size_t i = 0; i < n; ++i)
                in[p * padded(n) + i] = static_cast<float>(input * (random.uniform() - 0.3));
        cells.step(on, in);
        for (const std::uint64_t w : cells.spikes()) hash = splitmix64(hash ^ w);
    }
    for (std::size_t k = 0; k < M::states; ++k)
        for (std::size_t i = 0; i < n; ++i)
            hash = splitmix64(hash ^ std::bit_cast<std::uint32_t>(decode(cells.state(k)[i])));
    return hash;
}

template <class V, class M>
void same_everywhere(const M& model, double input) {
    const std::uint64_t plain = run<M, V, isa::Scalar>(model, input);
    CHECK(run<M, V, Isa>(model, input) == plain);
#if NIBBLE_SIMD && defined(NIBBLE_HAS_AVX512)
    CHECK(run<M, V, isa::Avx2>(model, input) == plain);
#endif
}

/// The times in ms at which one neuron fires without input.
template <class M>
std::vector<double> train(const M& model, double ms, double dt = 0.1) {
    ModelArray<M> cell(1, model, dt);
    std::vector<float> none(M::ports * 64);
    std::vector<double> times;
    for (int t = 0; t < static_cast<int>(ms / dt); ++t)
        if (cell.step(Host(1), none) != 0) times.push_back(t * dt);
    return times;
}

}  // namespace

TEST_CASE("every instruction set gives the same bits") {
    same_everywhere<float>(Lif{}, 3.0);
    same_everywhere<float>(CubaLif{}, 3.0);
    same_everywhere<float>(CobaLif{}, 10.0);
    same_everywhere<float>(AdaptiveLif{}, 3.0);
    same_everywhere<float>(AdEx{.current = 700.0}, 5.0);
    same_everywhere<float>(Izhikevich{.current = 5.0}, 2.0);
    same_everywhere<half>(Izhikevich{.current = 5.0}, 2.0);
    same_everywhere<Int8Value>(CobaLif{}, 10.0);
}

TEST_CASE("threads do not change a bit") {
    CHECK(run<CobaLif, float, Isa>({}, 10.0, 1, 40'000) ==
          run<CobaLif, float, Isa>({}, 10.0, 3, 40'000));
}

TEST_CASE("a leaky neuron fires at the times of the formula") {
    // From reset to threshold: tau ln((current - reset) / (current - threshold)), then refractory.
    const Lif model{.current = 30.0};
    const auto times = train(model, 1000.0);
    const double expected = 20.0 * std::log(20.0 / 10.0) + 2.0;
    REQUIRE(times.size() > 10);
    CHECK((times.back() - times[0]) / static_cast<double>(times.size() - 1) ==
          doctest::Approx(expected).epsilon(0.005));
    CHECK(train(Lif{.current = 19.9}, 1000.0).empty());
    // Rest moves all potentials alike.
    CHECK(train(Lif{.rest = -65.0, .threshold = -45.0, .reset_to = -55.0, .current = 30.0},
                1000.0) == times);
    // Euler steps: near, and nearer with a smaller step.
    const auto euler = train(Lif{.current = 30.0, .exact = false}, 1000.0);
    CHECK(euler.back() / static_cast<double>(euler.size()) ==
          doctest::Approx(expected).epsilon(0.02));
}

TEST_CASE("a synaptic current gives the double exponential") {
    CubaLif model{.rest = -60.0, .threshold = 0.0};
    ModelArray<CubaLif> cell(1, model, 0.1);
    std::vector<float> in(2 * 64);
    in[0] = 10.0f;   // g_e = 10 mV
    in[64] = -4.0f;  // g_i = -4 mV
    double largest = 0.0;
    for (int t = 1; t <= 500; ++t) {
        cell.step(Host(1), in);
        const double now = 0.1 * t;
        const auto part = [&](double g, double tau) {
            return g * tau / (tau - 20.0) * (std::exp(-now / tau) - std::exp(-now / 20.0));
        };
        CHECK(cell.get(0, 0) == doctest::Approx(part(10.0, 5.0) + part(-4.0, 10.0)).epsilon(1e-4));
        largest = std::max(largest, cell.get(0, 0));
    }
    CHECK(largest > 0.5);
    CHECK(in[0] == 0.0f);  // input is used up
    // Equal time constants are the limit of different ones.
    const auto a = CubaLif{.tau = 5.0}.step(0.1), b = CubaLif{.tau = 5.0 + 1e-5}.step(0.1);
    CHECK(a.from_e == doctest::Approx(b.from_e).epsilon(1e-4));
}

TEST_CASE("conductances pull to their reversal potentials") {
    CobaLif model{.tau_e = 1e9, .tau_i = 1e9, .threshold = 100.0};
    ModelArray<CobaLif> cell(2, model, 0.1);
    cell.set(1, 0, 30.0);  // g_e = 3 leaks
    cell.set(2, 1, 10.0);  // g_i = 1 leak
    std::vector<float> none(2 * 64);
    for (int t = 0; t < 3000; ++t) cell.step(Host(1), none);
    // (g_leak rest + g e) / (g_leak + g), relative to rest.
    CHECK(cell.get(0, 0) == doctest::Approx(60.0 * 3.0 / 4.0).epsilon(1e-3));
    CHECK(cell.get(0, 1) == doctest::Approx(-20.0 * 1.0 / 2.0).epsilon(1e-3));
}

TEST_CASE("adaptation lengthens intervals") {
    const auto grows = [](const std::vector<double>& t) {
        REQUIRE(t.size() >= 5);
        CHECK(t[1] - t[0] < t[2] - t[1]);
        CHECK(t[2] - t[1] < t.back() - t[t.size() - 2] + 1e-9);
    };
    grows(train(AdaptiveLif{.current = 60.0}, 1000.0));
    grows(train(AdEx{.current = 1000.0}, 500.0));
    CHECK(train(AdEx{.current = 400.0}, 500.0).empty());  // below rheobase
}

TEST_CASE("Izhikevich's classes differ as published") {
    const auto rate = [](const Izhikevich& m) { return train(m, 1000.0).size(); };
    const std::size_t regular = rate({.current = 10.0});
    const std::size_t fast = rate({.a = 0.1, .d = 2.0, .current = 10.0});
    CHECK(regular >= 20);
    CHECK(regular <= 35);
    CHECK(fast > 2 * regular);
    // Chattering: bursts, so the shortest interval is far below the longest.
    const auto t = train(Izhikevich{.c = -50.0, .d = 2.0, .current = 10.0}, 500.0);
    double shortest = 1e9, longest = 0.0;
    for (std::size_t i = 1; i < t.size(); ++i) {
        shortest = std::min(shortest, t[i] - t[i - 1]);
        longest = std::max(longest, t[i] - t[i - 1]);
    }
    CHECK(longest > 4.0 * shortest);
    CHECK(rate({.current = 0.0}) == 0);
    CHECK(Izhikevich{}.rest() == doctest::Approx(-70.0));
}

TEST_CASE("a model of a user's own, step by step") {
    ModelArray<Halving> cells(70, Halving{}, 0.1);
    CHECK(cells.refractory_steps() == 3);
    std::vector<float> in(padded(70));
    double v = 0.0;
    unsigned left = 0;
    for (int t = 0; t < 50; ++t) {
        in[69] = 0.75f;
        in[3] = 0.25f;  // stays below
        const std::size_t fired = cells.step(Host(1), in);
        bool fires = false;
        if (left > 0) --left;
        else if ((v = 0.5 * v + 0.75) >= 1.0) {
            fires = true;
            v *= 0.5;
            left = 3;
        }
        CHECK(cells.get(0, 69) == doctest::Approx(v));
        CHECK(fired == (fires ? 1u : 0u));
        CHECK((cells.spikes()[1] >> 5 & 1u) == (fires ? 1u : 0u));
    }
}

TEST_CASE_TEMPLATE("states of narrow types follow those of float", V, half, bfloat16, Int8Value,
                   fp8_e4m3) {
    // A hundred neurons with the same input: their mean rate, exact in time or not.
    const auto spikes = [](auto cells) {
        std::vector<float> in(padded(100));
        std::size_t n = 0;
        for (int t = 0; t < 5000; ++t) n += cells.step(Host(1), in);
        return static_cast<double>(n);
    };
    const Lif model{.current = 25.0};
    const double exact = spikes(ModelArray<Lif>(100, model, 0.1));
    // Three bits of mantissa are 2 mV near the threshold: the rate is about right, no more.
    const double within = std::is_same_v<V, fp8_e4m3> ? 0.2 : 0.02;
    CHECK(spikes(ModelArray<Lif, V>(100, model, 0.1)) == doctest::Approx(exact).epsilon(within));
    // Codes, and seven bits: a spike, who is blocked, and counters up to 20 steps.
    CHECK(ModelArray<Lif, V>(4096, model, 0.1).bytes() <= 4096 * sizeof(V) + 4096 * 7 / 8);
}

TEST_CASE("what is wrong with a model is said") {
    CHECK_THROWS_WITH_AS((ModelArray<Lif>(4, Lif{}, 0.0)),
                         "nibble: ModelArray: a step is 0.000000 ms, expected more than 0", Error);
    CHECK_THROWS_AS((ModelArray<Lif>(4, Lif{.refractory = -1.0}, 0.1)), Error);
    CHECK_THROWS_AS((ModelArray<Lif, Int8Value>(4, Lif{.threshold = 0.0}, 0.1)), Error);
    ModelArray<CubaLif> cells(4, CubaLif{}, 0.1);
    std::vector<float> few(64);
    CHECK_THROWS_AS(cells.step(Host(1), few), Error);
}

TEST_CASE("the kind of sum is the narrowest that is exact") {
    PortSums sums(100, 2);
    CHECK(sums.kind() == SumKind::int16);
    sums.choose({{{0.1, 80.0}, {0.5, 100.0}}, {{3.0, 30.0}}});
    CHECK(sums.kind() == SumKind::int16);
    CHECK(sums.unit(0) == doctest::Approx(0.1));
    CHECK(sums.unit(1) == doctest::Approx(3.0));
    sums.choose({{{0.2, 8.0}, {0.5, 10.0}}, {}});  // of 0.1 both are multiples
    CHECK(sums.unit(0) == doctest::Approx(0.1));
    sums.choose({{{0.001, 80.0}}, {}});
    CHECK(sums.kind() == SumKind::int32);
    sums.choose({{{0.0, 1.0}}, {{3.0, 30.0}}});
    CHECK(sums.kind() == SumKind::real);
    CHECK(sums.unit(1) == 1.0);
    sums.choose({{{1.0, 5.0}, {0.7071067, 5.0}}, {}});
    CHECK(sums.kind() == SumKind::real);
}

TEST_CASE_TEMPLATE("the textbook neuron with a resting potential", V, float, Fixed16<8>,
                   Int8Value) {
    const RestingLif textbook{.tau = 10.0, .rest = -65.0, .threshold = -50.0, .reset = -70.0};
    LifArray<V> cells(1, textbook.parameters());
    double v = -65.0;
    unsigned left = 0;
    std::size_t expected = 0, fired = 0;
    for (int t = 0; t < 1000; ++t) {
        const float in[] = {2.0f};
        fired += cells.step(in);
        if (left > 0) {
            --left;
            continue;
        }
        v += 1.0 / 10.0 * (-65.0 - v) + 2.0;
        if (v >= -50.0) {
            ++expected;
            v = -70.0;
            left = 2;
        }
    }
    CHECK(expected > 40);
    CHECK(static_cast<double>(fired) ==
          doctest::Approx(static_cast<double>(expected)).epsilon(0.01));
    CHECK(decode(LifArray<V>(1, textbook.parameters()).potential()[0]) == 0);
}
