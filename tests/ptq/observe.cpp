// Observers: what each way to a range makes of known distributions.
#include <nibble/ptq/observe.hpp>

#include <doctest/doctest.h>

#include "support/temporary.hpp"
#include "support/values.hpp"

using namespace nibble;
using ptq::Observer;
using ptq::RangeBy;

namespace {

/// n numbers of a heavy-tailed distribution, in pieces.
Observer heavy(std::size_t n, std::size_t piece, std::vector<float>* all = nullptr) {
    Random random(2);
    Observer o;
    Tensor<float> x(Shape{1, piece});
    for (std::size_t i = 0; i < n; i += piece) {
        for (std::size_t k = 0; k < piece; ++k) {
            x(0, k) = static_cast<float>(test::student(random));
            if (all != nullptr) all->push_back(std::fabs(x(0, k)));
        }
        o.see(x.view());
    }
    return o;
}

/// The mean square error of rounding those numbers within a range.
double error(const std::vector<float>& all, float range, int steps) {
    double sum = 0;
    for (const float x : all) {
        const double step = double(range) / steps;
        const double code = std::min(std::nearbyint(double(x) / step), double(steps));
        sum += std::pow(double(x) - code * step, 2);
    }
    return sum / double(all.size());
}

}  // namespace

TEST_CASE("ranges of a heavy-tailed distribution") {
    std::vector<float> all;
    const Observer o = heavy(50000, 500, &all);
    std::sort(all.begin(), all.end());
    CHECK(o.seen() == 50000);
    CHECK(o.magnitude(RangeBy::range) == all.back());
    for (const double p : {50.0, 90.0, 99.0, 99.9})
        CHECK(double(o.magnitude(RangeBy::percentile, 127, p)) ==
              doctest::Approx(double(all[static_cast<std::size_t>(p / 100 * 50000) - 1]))
                  .epsilon(0.06));
    CHECK(o.magnitude(RangeBy::percentile, 127, 100) == all.back());
    for (const int steps : {7, 127}) {
        CAPTURE(steps);
        const float range = o.magnitude(RangeBy::mse, steps);
        CHECK(range < all.back());
        double best = 1e9;
        for (int i = 1; i <= 200; ++i)
            best = std::min(best, error(all, all.back() * float(i) / 200, steps));
        CHECK(error(all, range, steps) < 1.05 * best);
        const float entropy = o.magnitude(RangeBy::entropy, steps);
        CHECK(entropy < 0.7f * all.back());
        CHECK(entropy > all[all.size() / 2]);
    }
}

TEST_CASE("numbers that a grid holds keep their whole range by every method") {
    Observer o;
    Tensor<float> x(Shape{16, 127});
    for (std::size_t r = 0; r < 16; ++r)
        for (std::size_t k = 0; k < 127; ++k) x(r, k) = (r % 2 ? 1.0f : -1.0f) * float(k + 1);
    o.see(x.view());
    for (const auto method : {RangeBy::range, RangeBy::percentile, RangeBy::mse, RangeBy::entropy})
        CHECK(o.magnitude(method) > 0.98f * 127);
}

TEST_CASE("the order of pieces hardly matters; growing keeps every count") {
    Random random(5);
    Observer up, down;
    for (int i = 0; i < 40; ++i) {
        Tensor<float> x(Shape{1, 64}), y(Shape{1, 64});
        for (std::size_t k = 0; k < 64; ++k) {
            x(0, k) = float(std::ldexp(random.uniform(), i - 20));
            y(0, k) = float(std::ldexp(random.uniform(), 19 - i));
        }
        up.see(x.view());
        down.see(y.view());
    }
    CHECK(up.seen() == 40 * 64);
    CHECK(double(up.magnitude(RangeBy::percentile, 127, 97)) ==
          doctest::Approx(double(down.magnitude(RangeBy::percentile, 127, 97))).epsilon(0.25));
}

TEST_CASE("nothing, zeros, and what is no number") {
    Observer o;
    CHECK(o.magnitude(RangeBy::entropy) == 0);
    Tensor<float> x(Shape{1, 4});
    o.see(x.view());
    CHECK(o.magnitude(RangeBy::mse) == 0);
    x(0, 1) = NAN;
    x(0, 2) = -INFINITY;
    x(0, 3) = 1e-38f;
    o.see(x.view());
    CHECK(o.not_finite() == 2);
    CHECK(o.magnitude(RangeBy::range) == 1e-38f);
    CHECK(o.magnitude(RangeBy::mse) <= 1e-38f);
    CHECK(test::contains(test::message_of([&] { (void)o.magnitude(RangeBy::percentile, 127, 0); }),
                         "expected at least 1 and (0, 100]"));
}
