// One neuron at every value type: the fixed and the heap form, scalar and registers, threads, limits.
#include <nibble/neuro/lif.hpp>

#include <doctest/doctest.h>
#include <support/neurons.hpp>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

using namespace nibble;

#define NEURON_TYPES                                                                           \
    float, half, bfloat16, fp8_e4m3, Nf4, Int8Value, Int4Value, Int2Value, Ternary, Fixed8<4>, \
        Fixed16<8>, Fixed16<12>

namespace {

/// A current for every neuron, as a code: from inhibition to a little more than the threshold.
template <class V>
V some_current(const LifParameters& p, const StateScale& s, std::size_t i, std::size_t t) {
    const Dither dice(5, t);
    const double x = p.threshold * (static_cast<double>(dice(i)) * 0x1p-32 * 1.5 - 0.4);
    if constexpr (integer_state<V>)
        return from_code<V>(Membrane<V>::saturate(
            static_cast<std::int32_t>(std::nearbyint(x / state_scale<V>(p, s)))));
    else return encode<V>(static_cast<compute_t<V>>(x / state_scale<V>(p, s)));
}

template <class V>
bool same_potentials(ValueSpan<const V> a, ValueSpan<const V> b) {
    for (std::size_t i = 0; i < a.size(); ++i)
        if (!(a[i] == b[i])) return false;
    return true;
}

/// Drives the fixed and the heap form (at instruction set A) with the same codes.
template <class V, std::size_t N, class A, unsigned R>
void fixed_equals_heap(const LifParameters& p, const StateScale& s) {
    LifArray<V, N, Isa, R> fixed(p, s);
    LifArray<V, std::dynamic_extent, A> heap(N, p, s);
    ValueArray<V, N> current{};
    std::size_t spikes = 0, wrong = 0;
    for (std::size_t t = 0; t < 300; ++t) {
        for (std::size_t i = 0; i < N; ++i) current.set(i, some_current<V>(p, s, i, t));
        std::vector<std::size_t> a, b;
        const std::size_t n = fixed.step(current, [&](std::size_t i) { a.push_back(i); });
        heap.step(current.span(), [&](std::size_t i) { b.push_back(i); });
        wrong += a != b || n != a.size() || !same_potentials<V>(fixed.potential(), heap.potential())
                     ? 1u
                     : 0u;
        spikes += n;
    }
    CHECK(wrong == 0);
    // The highest code of a current is below the threshold: alone it makes no integer state fire.
    CHECK((spikes > 0 || p.leak == 0.0));
    CHECK(fixed.saturated() == heap.saturated());
    CHECK(heap.steps() == 300);
}

}  // namespace

TEST_CASE_TEMPLATE("the fixed and the heap form agree bit for bit", V, NEURON_TYPES) {
    const LifParameters held{.leak = 0.95, .threshold = 1.0, .reset = 0.0, .refractory = 3};
    for (const StateRounding r : {StateRounding::nearest, StateRounding::stochastic}) {
        const StateScale s{.rounding = r, .seed = 3};
        fixed_equals_heap<V, 64, Isa, 0>({.leak = 0.9, .threshold = 1.0, .reset = 0.0}, s);
        fixed_equals_heap<V, 64, Isa, 0>({.leak = 1.0, .threshold = 3.0, .reset = -0.5}, s);
        fixed_equals_heap<V, 64, Isa, 0>({.leak = 0.0, .threshold = 0.3, .reset = 0.0}, s);
        fixed_equals_heap<V, 130, Isa, 3>(held, s);
        fixed_equals_heap<V, 130, isa::Scalar, 3>(held, s);
    }
}

TEST_CASE_TEMPLATE("charges, real currents and codes are one input", V, float, double, half,
                   Int8Value, Int4Value, Fixed16<8>) {
    const LifParameters p{.leak = 0.875, .threshold = 1.0, .reset = 0.0};
    const StateScale s{.scale = type_scale<V> != 0.0 ? 0.0 : 0.25};
    constexpr std::size_t n = 100;
    LifArray<V> a(n, p, s), b(n, p, s), c(n, p, s), d(n, p, s);
    Tensor<V> codes(Shape{n});
    std::vector<charge_t<V>> charge(n), consumed(padded(n));
    std::vector<float> real(n);
    for (std::size_t t = 0; t < 100; ++t) {
        for (std::size_t i = 0; i < n; ++i) {
            const int k = static_cast<int>((i + t) % 5) - 1;  // -1 .. 3 steps of a quarter
            real[i] = static_cast<float>(k) * 0.25f;
            charge[i] = static_cast<charge_t<V>>(k * 0.25 * a.charge_per_unit());
            consumed[i] = charge[i];
            if constexpr (type_scale<V> != 0.0) codes.row(0).set(i, V(k * 0.25));
            else if constexpr (integer_state<V>) codes.row(0).set(i, from_code<V>(k));
            else codes.row(0).set(i, encode<V>(static_cast<compute_t<V>>(k)));
        }
        a.step(ValueSpan<const V>(codes.row(0)));
        b.step(charge);
        c.step(real);
        d.consume(BasicHost<>(2), consumed);
        CHECK(same_potentials<V>(a.potential(), b.potential()));
        CHECK(same_potentials<V>(a.potential(), c.potential()));
        CHECK(same_potentials<V>(a.potential(), d.potential()));
        CHECK(std::ranges::equal(a.spikes(), c.spikes()));
        CHECK(std::ranges::all_of(consumed, [](auto x) { return x == 0; }));
    }
}

TEST_CASE_TEMPLATE("every type follows the reference within its resolution", V, NEURON_TYPES) {
    if constexpr (bits_v<V> > 2) {  // two bits: a rate, no more (see the open-loop comparison)
        const LifParameters p{.leak = 0.95, .threshold = 1.0, .reset = 0.0, .refractory = 2};
        LifArray<V> neurons(400, p, {.seed = 1});
        std::vector<float> current(400);
        for (std::size_t i = 0; i < 400; ++i) current[i] = 0.06f + 0.0005f * static_cast<float>(i);
        std::vector<test::PlainNeuron> plain(400, test::PlainNeuron{p});
        double n = 0, m = 0;
        for (std::size_t t = 0; t < 2000; ++t) {
            m += static_cast<double>(neurons.step(current));
            for (std::size_t i = 0; i < 400; ++i)
                n += plain[i].step(static_cast<double>(current[i])) ? 1.0 : 0.0;
        }
        // Fixed8<4> has sixteen codes below this threshold, a state of four bits seven.
        const double tolerance = bits_v<V> >= 16                          ? 0.01
                                 : bits_v<V> == 4 || type_scale<V> != 0.0 ? 0.06
                                                                          : 0.02;
        CHECK(m == doctest::Approx(n).epsilon(tolerance));
    }
}

TEST_CASE("a current far below one code of the state still makes it fire") {
    // 0.02 is a seventh of a 4-bit code; nearest rounding would lose it every step.
    LifArray<Int4Value> neurons(256, {.leak = 0.99, .threshold = 1.0, .reset = 0.0});
    LifArray<Int4Value> stuck(256, {.leak = 0.99, .threshold = 1.0, .reset = 0.0},
                              {.rounding = StateRounding::nearest});
    const std::vector<float> current(256, 0.02f);
    test::PlainNeuron plain{neurons.parameters()};
    std::size_t n = 0, m = 0, none = 0;
    for (std::size_t t = 0; t < 4000; ++t) {
        n += plain.step(0.02) ? 256u : 0u;
        m += neurons.step(current);
        none += stuck.step(current);
    }
    CHECK(static_cast<double>(m) == doctest::Approx(static_cast<double>(n)).epsilon(0.05));
    CHECK(none == 0);
}

TEST_CASE_TEMPLATE("results do not depend on threads", V, float, half, Int8Value, Int4Value) {
    std::vector<float> current(20'000);
    for (std::size_t i = 0; i < current.size(); ++i)
        current[i] = static_cast<float>(i % 97) * 0.004f;
    const LifParameters p{.leak = 0.9, .threshold = 1.0, .reset = 0.0, .refractory = 1};
    LifArray<V> one(current.size(), p), two(current.size(), p), three(current.size(), p);
    for (int t = 0; t < 50; ++t) {
        const std::size_t n = one.step(Host(1), current);
        CHECK(two.step(Host(2), current) == n);
        CHECK(three.step(Host(3), current) == n);
        CHECK(std::ranges::equal(one.spikes(), two.spikes()));
        CHECK(std::ranges::equal(one.spikes(), three.spikes()));
    }
    CHECK(same_potentials<V>(one.potential(), three.potential()));
}

TEST_CASE_TEMPLATE("permuted neurons fire permuted", V, float, half, Int8Value, Fixed16<8>) {
    constexpr std::size_t n = 300;
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    Random random(11);
    for (std::size_t i = n; i-- > 1;) std::swap(order[i], order[std::size_t(random.below(i + 1))]);
    LifArray<V> a(n, {.refractory = 2}), b(n, {.refractory = 2});
    std::vector<float> x(n), y(n);
    for (std::size_t t = 0; t < 200; ++t) {
        for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(random.uniform() * 0.5 - 0.1);
        for (std::size_t i = 0; i < n; ++i) y[i] = x[order[i]];
        a.step(x);
        b.step(y);
        for (std::size_t i = 0; i < n; ++i)
            CHECK((b.spikes()[i / 64] >> i % 64 & 1) ==
                  (a.spikes()[order[i] / 64] >> order[i] % 64 & 1));
    }
}

TEST_CASE_TEMPLATE("extreme input saturates and is counted", V, half, fp8_e4m3, Int8Value,
                   Int4Value, Int2Value, Ternary, Fixed16<8>, Fixed8<4>) {
    LifArray<V> neurons(70, {.leak = 0.9, .threshold = 1.0, .reset = 0.0});
    const std::vector<float> down(70, -1e9f), up(70, 1e9f), nan(70, std::nanf(""));
    CHECK(neurons.step(down) == 0);
    CHECK(neurons.saturated() == 70);
    if constexpr (integer_state<V>) {
        CHECK(neurons.potential()[69] == value_traits<V>::lowest());
        CHECK(neurons.step(nan) == 0);  // NaN is no charge
        using Limits = std::numeric_limits<std::int32_t>;
        CHECK(neurons.step(std::vector<std::int32_t>(70, Limits::min() / 2)) == 0);
        // From the lowest code, a charge counts up to the range of the potential: two are enough.
        const std::vector<std::int32_t> most(70, Limits::max() / 2);
        CHECK(neurons.step(most) + neurons.step(most) >= 70);
    } else {
        LifArray<V> rested(70, {.leak = 0.9, .threshold = 1.0, .reset = 0.0});
        CHECK(rested.step(up) == 70);
        CHECK(rested.saturated() == 0);  // a spike is no saturation
    }
}

TEST_CASE("bit planes count down as numbers do") {
    for (const unsigned period : {1u, 2u, 3u, 7u, 20u, 255u}) {
        const unsigned n = Countdown::bits(period);
        std::vector<std::uint64_t> planes(n);
        std::vector<unsigned> left(64);
        Random random(period);
        for (int t = 0; t < 600; ++t) {
            const std::uint64_t blocked = Countdown::tick(planes.data(), n);
            std::uint64_t expected = 0;
            for (std::size_t i = 0; i < 64; ++i)
                if (left[i] > 0) {
                    expected |= std::uint64_t{1} << i;
                    --left[i];
                }
            REQUIRE(blocked == expected);
            const std::uint64_t fired = random.bits() & random.bits() & ~blocked;
            Countdown::start(planes.data(), n, fired, period);
            for (std::size_t i = 0; i < 64; ++i)
                if ((fired >> i & 1) != 0) left[i] = period;
        }
    }
}

TEST_CASE("memory is what was promised") {
    using Retina = LifArray<Fixed16<8>, 256>;
    static_assert(sizeof(Retina) <= 512 + 48);
    static_assert(sizeof(LifArray<Int8Value, 1024>) <= 1024 + 48);
    static_assert(sizeof(LifArray<Int4Value, 1024>) <= 512 + 48);
    static_assert(sizeof(LifArray<Int4Value, 1024, Isa, 3>) <= 512 + 256 + 48);
    // Bytes of state a neuron on the heap: the code, a spike bit, two bits of refractory countdown.
    const std::size_t n = 1'000'000;
    const auto each = [&](const auto& a) { return static_cast<double>(a.bytes()) / n; };
    CHECK(each(LifArray<Int8Value>(n, {.refractory = 3})) <= 1.0 + 0.375 + 0.001);
    CHECK(each(LifArray<Int4Value>(n)) <= 0.5 + 0.125 + 0.001);
    CHECK(each(LifArray<half>(n)) <= 2.0 + 0.125 + 0.001);
    CHECK(each(LifArray<float>(n)) <= 4.0 + 0.125 + 0.001);
}

TEST_CASE("parameters that cannot be are named") {
    const auto message = [](const LifParameters& p, const StateScale& s = {}) -> std::string {
        try {
            LifArray<Int8Value> a(10, p, s);
        } catch (const Error& e) {
            return e.what();
        }
        return {};
    };
    const auto contains = [](const std::string& text, const char* part) {
        return text.find(part) != std::string::npos;
    };
    CHECK(contains(message({.leak = 1.5}), "leak is 1.5"));
    CHECK(contains(message({.leak = std::nan("")}), "leak"));
    CHECK(contains(message({.threshold = 0.0}), "threshold is 0"));
    CHECK(contains(message({.threshold = 1.0, .reset = 2.0}), "reset is 2"));
    CHECK(contains(message({}, {.scale = -1.0}), "scale is -1"));
    CHECK(contains(message({}, {.scale = 1.0 / 200}), "code 200"));
    CHECK(message({}, {.scale = 1.0 / 127}).empty());
    LifArray<float> a(10);
    CHECK_THROWS_AS(a.step(std::vector<float>(9)), Error);
    LifArray<float> none;
    CHECK(none.step(std::vector<float>{}) == 0);
}
