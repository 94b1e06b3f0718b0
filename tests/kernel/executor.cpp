#include <nibble/kernel/executor.hpp>

#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/softmax.hpp>
#include <nibble/kernel/thread_pool.hpp>
#include <nibble/kernel/transform.hpp>

#include <doctest/doctest.h>

#include <support/allocations.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

using namespace nibble;

namespace {

/// Runs parts backwards on the calling thread and counts what it was asked.
struct Backwards {
    std::size_t runs = 0, parts = 0;

    Executor executor(int threads) {
        return {.threads = threads,
                .pool = this,
                .run = [](void* pool, std::size_t n, void (*part)(void*, std::size_t), void* work) {
                    auto& self = *static_cast<Backwards*>(pool);
                    ++self.runs;
                    self.parts += n;
                    while (n-- > 0) part(work, n);
                }};
    }
};

/// Every index of [0, n) in one range, and ranges in multiples of the grain.
void covers(const Host& on, std::size_t n, std::size_t grain) {
    std::vector<int> seen(n);
    Tally ranges;
    on.parallel_for(n, grain, [&](std::size_t first, std::size_t end) {
        CHECK((first % grain == 0 && first < end && (end == n || end % grain == 0)));
        ranges.add(1);
        for (std::size_t i = first; i < end; ++i) ++seen[i];
    });
    CHECK(std::all_of(seen.begin(), seen.end(), [](int s) { return s == 1; }));
    CHECK(ranges.count() <= std::max<std::size_t>(std::size_t(on.threads()), 1));
}

Tensor<float> ramp(Shape shape) {
    Tensor<float> x(shape);
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t c = 0; c < x.cols(); ++c)
            x(r, c) = static_cast<float>((r * 37 + c * 11) % 127) * 0.03f - 1.5f;
    return x;
}

/// Products and an activation large enough to be split.
std::vector<float> work(const Host& on) {
    const Tensor<float> w = ramp(Shape{640, 384}), x = ramp(Shape{48, 384});
    Matrix<Grouped<Int4Value, 32>> small(640, 384);
    for (std::size_t r = 0; r < 640; ++r)
        for (std::size_t k = 0; k < 384; ++k)
            small.codes().row(r).set(k, Int4Value(int((r + 3 * k) % 15) - 7));
    for (auto& s : small.scales().units()) s = encode<half>(0.25f);
    Tensor<float> y(Shape{48, 640}), z(Shape{48, 640});
    matmul(on, w, x, y);
    matmul_int8(on, small, x, z);
    softmax(on, z);
    transform(
        on, [](auto a, auto b) { return a + b; }, y, y, z);
    std::vector<float> all;
    for (std::size_t r = 0; r < 48; ++r)
        for (std::size_t c = 0; c < 640; ++c) all.push_back(y(r, c));
    return all;
}

}  // namespace

TEST_CASE("parallel_for covers its range on every kind of host") {
    Backwards backwards;
    ThreadPool two(2), five(5, std::chrono::microseconds(0));
    for (const std::size_t n : {0u, 1u, 2u, 7u, 64u, 1000u})
        for (const std::size_t grain : {1u, 3u, 64u}) {
            covers(Host(1), n, grain);
            covers(Host(3), n, grain);
            covers(Host(backwards.executor(4)), n, grain);
            covers(Host(two.executor()), n, grain);
            covers(Host(five.executor()), n, grain);
        }
    CHECK(backwards.runs > 0);
    CHECK(backwards.parts <= 4 * backwards.runs);
    CHECK(Host(five.executor()).threads() == 5);
}

TEST_CASE("no executor is asked for one range") {
    Backwards backwards;
    const Host on(backwards.executor(8));
    covers(on, 64, 64);
    covers(on, 0, 64);
    CHECK(backwards.runs == 0);
}

TEST_CASE("kernels give the same bits on every executor") {
    Backwards backwards;
    ThreadPool two(2), three(3);
    const auto expected = work(Host(1));
    const auto same = [&](const std::vector<float>& got) {
        return std::memcmp(expected.data(), got.data(), expected.size() * sizeof(float)) == 0;
    };
    for (const int threads : {2, 3, 7}) {
        CHECK(same(work(Host(threads))));
        CHECK(same(work(Host(backwards.executor(threads)))));
    }
    CHECK(same(work(Host(two.executor()))));
    CHECK(same(work(Host(three.executor()))));
    CHECK(backwards.runs > 0);
}

TEST_CASE("a pool runs many short kernels, awake and asleep") {
    for (const int awake : {0, 50}) {
        ThreadPool pool(3, std::chrono::microseconds(awake));
        const Host on(pool.executor());
        std::array<std::size_t, 3> sums{};
        const std::size_t runs = 20000;
        for (std::size_t i = 0; i < runs; ++i) {
            on.parallel_for(1 + i % 3, 1, [&](std::size_t first, std::size_t end) {
                for (std::size_t p = first; p < end; ++p) sums[p] += i;
            });
            if (i % 4096 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::array<std::size_t, 3> expected{};
        for (std::size_t i = 0; i < runs; ++i)
            for (std::size_t p = 0; p <= i % 3; ++p) expected[p] += i;
        CHECK(sums == expected);
    }
}

TEST_CASE("a pool in use is shared by the calling thread alone") {
    ThreadPool pool(2);
    const Host on(pool.executor());
    Tally inner;
    on.parallel_for(2, 1, [&](std::size_t, std::size_t) {
        on.parallel_for(10, 1, [&](std::size_t first, std::size_t end) { inner.add(end - first); });
    });
    CHECK(inner.count() == 20);

    Tally both;
    const auto many = [&] {
        for (int i = 0; i < 2000; ++i)
            on.parallel_for(8, 1,
                            [&](std::size_t first, std::size_t end) { both.add(end - first); });
    };
    std::thread other(many);
    many();
    other.join();
    CHECK(both.count() == 2 * 2000 * 8);
}

TEST_CASE("kernels on several threads ask the system for nothing in steady state") {
    ThreadPool pool(3);
    const Tensor<float> w = ramp(Shape{640, 384}), x = ramp(Shape{48, 384});
    Tensor<float> y(Shape{48, 640});
    for (const bool own : {true, false}) {
        // OpenMP's runtime asks for memory in each region when a sanitizer looks over its shoulder.
        if (!own && support::counts_runtimes) continue;
        const Host on = own ? Host(pool.executor()) : Host(3);
        const auto step = [&] {
            matmul(on, w, x, y);
            matmul_int8(on, Matrix<PerRow<Int8Value>>(640, 384), x, y);
            softmax(on, y);
        };
        // Which thread runs a range may differ from call to call, so a thread may come to need its
        // memory late; but there is an end to it.
        std::size_t quiet = 0;
        for (int i = 0; i < 2000 && quiet < 20; ++i) {
            const std::size_t before = support::allocations();
            step();
            quiet = support::allocations() == before ? quiet + 1 : 0;
        }
        CHECK(support::allocations() > 0);
        CHECK(quiet == 20);
    }
}
