// Registers: every operation, lane by lane, against plain C++, for the native instruction set and for
// the scalar fallback.
#include <nibble/kernel/simd.hpp>
#include <nibble/value/rounding.hpp>

#include <doctest/doctest.h>

#include <cfloat>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace nibble;

namespace {

const std::vector<float>& floats() {
    static const std::vector<float> list = [] {
        std::vector<float> v{0.0f,    -0.0f,       0.5f,       -0.5f,      1.5f,        2.5f,
                             -2.5f,   3.499f,      8388607.5f, 8388609.0f, -8388607.0f, 1e-40f,
                             -1e-40f, FLT_MIN,     FLT_MAX,    -FLT_MAX,   INFINITY,    -INFINITY,
                             NAN,     0.49999997f, 1e9f,       -1e9f,      65504.0f,    4194304.5f,
                             1.0f,    -1.0f};
        Random random(7);
        for (int i = 0; i < 230; ++i)
            v.push_back(static_cast<float>(random.uniform() * 2000 - 1000));
        return v;
    }();
    return list;
}

template <class T>
std::vector<T> integers() {
    std::vector<T> v{0,
                     1,
                     static_cast<T>(-1),
                     std::numeric_limits<T>::max(),
                     std::numeric_limits<T>::min(),
                     12345,
                     static_cast<T>(-77)};
    Random random(9);
    for (int i = 0; i < 249; ++i) v.push_back(static_cast<T>(random.bits()));
    return v;
}

bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (a != a && b != b);
}
template <class T>
bool same(T a, T b) {
    return a == b;
}

/// Applies `op` to registers and `expected` to single numbers over all pairs (a[i], a[i + step]).
template <class T, class A, class Op, class Expected>
void check(const char* name, const std::vector<T>& a, Op op, Expected expected) {
    using B = Batch<T, A>;
    for (std::size_t step = 0; step < 40; ++step)
        for (std::size_t i = 0; i + step + B::lanes <= a.size(); i += 5) {
            const auto result = op(B::load(&a[i]), B::load(&a[i + step]));
            std::remove_const_t<std::remove_reference_t<decltype(expected(a[0], a[0]))>> out[64];
            result.store(out);
            for (std::size_t j = 0; j < B::lanes; ++j)
                if (!same(out[j], expected(a[i + j], a[i + step + j]))) {
                    INFO(std::string(name), " of ", a[i + j], ", ", a[i + step + j], " gives ",
                         out[j]);
                    REQUIRE(same(out[j], expected(a[i + j], a[i + step + j])));
                }
        }
}

template <class A>
void float_operations() {
    using B = Batch<float, A>;
    const auto& a = floats();
    check<float, A>(
        "+", a, [](B x, B y) { return x + y; }, [](float x, float y) { return x + y; });
    check<float, A>(
        "-", a, [](B x, B y) { return x - y; }, [](float x, float y) { return x - y; });
    check<float, A>(
        "*", a, [](B x, B y) { return x * y; }, [](float x, float y) { return x * y; });
    check<float, A>(
        "/", a, [](B x, B y) { return x / y; }, [](float x, float y) { return x / y; });
    check<float, A>(
        "neg", a, [](B x, B) { return -x; }, [](float x, float) { return -x; });
    check<float, A>(
        "abs", a, [](B x, B) { return abs(x); }, [](float x, float) { return std::fabs(x); });
    check<float, A>(
        "sqrt", a, [](B x, B) { return sqrt(abs(x)); },
        [](float x, float) { return std::sqrt(std::fabs(x)); });
    check<float, A>(
        "round_nearest", a, [](B x, B) { return round_nearest(x); },
        [](float x, float) { return std::nearbyint(x); });
    check<float, A>(
        "select <", a, [](B x, B y) { return select(x < y, x, B(3.0f)); },
        [](float x, float y) { return x < y ? x : 3.0f; });
    check<float, A>(
        "select <=", a, [](B x, B y) { return select(x <= y, x, y * 2.0f); },
        [](float x, float y) { return x <= y ? x : y * 2.0f; });
    check<float, A>(
        "select >", a, [](B x, B y) { return select(x > y, x, 0.5f); },
        [](float x, float y) { return x > y ? x : 0.5f; });
    check<float, A>(
        "select >=", a, [](B x, B y) { return select(x >= y, x, 0.5f); },
        [](float x, float y) { return x >= y ? x : 0.5f; });
    check<float, A>(
        "select ==", a, [](B x, B y) { return select(x == y, 1.0f, x); },
        [](float x, float y) { return x == y ? 1.0f : x; });
    check<float, A>(
        "select !=", a, [](B x, B y) { return select(x != y, 1.0f, x); },
        [](float x, float y) { return x != y ? 1.0f : x; });
    check<float, A>(
        "masks", a, [](B x, B y) { return select(((x < y) & ~(x < 0.0f)) ^ (y > 1.0f), x, y); },
        [](float x, float y) { return (x < y && !(x < 0.0f)) != (y > 1.0f) ? x : y; });
    check<float, A>(
        "bits", a, [](B x, B) { return bit_cast_to<std::uint32_t>(x) >> 16 << 3; },
        [](float x, float) { return std::bit_cast<std::uint32_t>(x) >> 16 << 3; });

    std::vector<float> numbers;
    for (const float x : a)
        if (std::fabs(x) < 2e9f) numbers.push_back(x);
    check<float, A>(
        "min", numbers, [](B x, B y) { return min(x, y) + 0.0f; },
        [](float x, float y) { return std::fmin(x, y) + 0.0f; });
    check<float, A>(
        "max", numbers, [](B x, B y) { return max(x, y) + 0.0f; },
        [](float x, float y) { return std::fmax(x, y) + 0.0f; });
    // A bound comes first: what is none of the numbers stays.
    float lane[64];
    for (const float bound : {-3.0f, 0.0f, 7.0f}) {
        min(B(bound), B(NAN)).store(lane);
        for (std::size_t j = 0; j < B::lanes; ++j) CHECK(std::isnan(lane[j]));
        max(B(bound), B(NAN)).store(lane);
        for (std::size_t j = 0; j < B::lanes; ++j) CHECK(std::isnan(lane[j]));
    }
    check<float, A>(
        "to_int", numbers, [](B x, B) { return to_int(x); },
        [](float x, float) { return static_cast<std::int32_t>(x); });
    check<float, A>(
        "to_int_nearest", numbers, [](B x, B) { return to_int_nearest(x); },
        [](float x, float) { return static_cast<std::int32_t>(std::nearbyint(x)); });
    for (std::size_t i = 0; i + B::lanes + 1 < numbers.size(); ++i) {
        const B x = B::load(&numbers[i]), y = B::load(&numbers[i + 1]);
        float sum[64], difference[64];
        fma(x, y, B(1.5f)).store(sum);
        fnma(x, y, B(1.5f)).store(difference);
        double total = 0, size = 0;
        float top = -INFINITY;
        std::size_t positive = 0;
        for (std::size_t j = 0; j < B::lanes; ++j) {
            const double product = double(numbers[i + j]) * double(numbers[i + j + 1]);
            REQUIRE(sum[j] == doctest::Approx(product + 1.5).epsilon(1e-6));
            REQUIRE(difference[j] == doctest::Approx(1.5 - product).epsilon(1e-6));
            total += double(numbers[i + j]);
            size += std::fabs(double(numbers[i + j]));
            top = std::fmax(top, numbers[i + j]);
            positive += numbers[i + j] > 0 ? 1u : 0u;
        }
        REQUIRE(std::fabs(double(reduce_add(x)) - total) <= size * 1e-6);
        REQUIRE(reduce_max(x) == top);
        REQUIRE(count(x > 0.0f) == positive);
        REQUIRE(any(x > 0.0f) == (positive != 0));
    }
}

template <class T, class A>
void integer_operations() {
    using B = Batch<T, A>;
    using U = std::uint32_t;
    const auto a = integers<T>();
    const auto u = [](T x) { return static_cast<U>(x); };
    check<T, A>(
        "+", a, [](B x, B y) { return x + y; }, [&](T x, T y) { return T(u(x) + u(y)); });
    check<T, A>(
        "-", a, [](B x, B y) { return x - y; }, [&](T x, T y) { return T(u(x) - u(y)); });
    check<T, A>(
        "*", a, [](B x, B y) { return x * y; }, [&](T x, T y) { return T(u(x) * u(y)); });
    check<T, A>(
        "neg", a, [](B x, B) { return -x; }, [&](T x, T) { return T(-u(x)); });
    check<T, A>(
        "&", a, [](B x, B y) { return x & y; }, [](T x, T y) { return x & y; });
    check<T, A>(
        "|", a, [](B x, B y) { return x | y; }, [](T x, T y) { return x | y; });
    check<T, A>(
        "^", a, [](B x, B y) { return x ^ y; }, [](T x, T y) { return x ^ y; });
    check<T, A>(
        "~", a, [](B x, B) { return ~x; }, [](T x, T) { return ~x; });
    check<T, A>(
        "<<", a, [](B x, B) { return x << 5; }, [&](T x, T) { return T(u(x) << 5); });
    check<T, A>(
        ">>", a, [](B x, B) { return x >> 7; }, [](T x, T) { return T(x >> 7); });
    check<T, A>(
        "min", a, [](B x, B y) { return min(x, y); }, [](T x, T y) { return x < y ? x : y; });
    check<T, A>(
        "max", a, [](B x, B y) { return max(x, y); }, [](T x, T y) { return x > y ? x : y; });
    check<T, A>(
        "<", a, [](B x, B y) { return select(x < y, x, y + T(1)); },
        [&](T x, T y) { return x < y ? x : T(u(y) + 1); });
    check<T, A>(
        "<=", a, [](B x, B y) { return select(x <= y, x, B(T(3))); },
        [](T x, T y) { return x <= y ? x : T(3); });
    check<T, A>(
        "==", a, [](B x, B y) { return select(x == y, x, B(T(3))); },
        [](T x, T y) { return x == y ? x : T(3); });
    if constexpr (std::is_signed_v<T>) {
        check<T, A>(
            "abs", a, [](B x, B) { return abs(x); }, [&](T x, T) { return x < 0 ? T(-u(x)) : x; });
        check<T, A>(
            "to_float", a, [](B x, B) { return to_float(x); },
            [](T x, T) { return static_cast<float>(x); });
    }
    T lanes[64];
    B::iota(T(5)).store(lanes);
    U total = 0;
    for (std::size_t i = 0; i < B::lanes; ++i) {
        REQUIRE(lanes[i] == static_cast<T>(5 + i));
        total += u(a[i]);
    }
    REQUIRE(reduce_add(B::load(a.data())) == static_cast<T>(total));
}

template <class T, class A>
void partial_access() {
    using B = Batch<T, A>;
    T from[80], to[80];
    for (int i = 0; i < 80; ++i) from[i] = static_cast<T>(i + 1);
    for (std::size_t shift = 0; shift < 17; ++shift)
        for (std::size_t n = 0; n <= B::lanes; ++n) {
            for (T& x : to) x = T(99);
            const B x = B::load_first(from + shift, n);
            x.store_first(to + shift, n);
            for (std::size_t i = 0; i < 80; ++i)
                REQUIRE(to[i] == (i >= shift && i < shift + n ? from[i] : T(99)));
            x.store(to + shift);
            for (std::size_t i = 0; i < B::lanes; ++i)
                REQUIRE(to[shift + i] == (i < n ? from[shift + i] : T(0)));
        }
}

}  // namespace

TEST_CASE_TEMPLATE("registers compute what their lanes say", A, isa::Scalar, Isa) {
    INFO(std::string(A::name));
    float_operations<A>();
    integer_operations<std::int32_t, A>();
    integer_operations<std::uint32_t, A>();
    partial_access<float, A>();
    partial_access<std::int32_t, A>();
    partial_access<std::uint32_t, A>();
}
