// Kernels on threads of the program's own: the library's pool, and a function that hands parts to any
// other one. Results are the same bits on all of them.
#include <nibble/kernel/matmul.hpp>
#include <nibble/kernel/thread_pool.hpp>

#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

using namespace nibble;

namespace {

// quote: executor
/// Stands for a game engine's or a server's pool: what it has is a way to run a job somewhere.
struct Engine {
    template <class Job>
    void run_everywhere(std::size_t jobs, Job job) {
        std::vector<std::thread> threads;
        for (std::size_t j = 1; j < jobs; ++j) threads.emplace_back(job, j);
        job(0);
        for (auto& thread : threads) thread.join();
    }
};

Executor executor_of(Engine& engine) {
    return {.threads = 4,
            .pool = &engine,
            .run = [](void* pool, std::size_t parts, void (*part)(void*, std::size_t), void* work) {
                static_cast<Engine*>(pool)->run_everywhere(parts,
                                                           [=](std::size_t p) { part(work, p); });
            }};
}
// end quote

Tensor<float> product(const Host& on) {
    Tensor<float> w(Shape{512, 256}), x(Shape{64, 256}), y(Shape{64, 512});
    for (std::size_t r = 0; r < w.rows(); ++r)
        for (std::size_t k = 0; k < w.cols(); ++k) w(r, k) = float((r + 7 * k) % 13) - 6.0f;
    for (std::size_t r = 0; r < x.rows(); ++r)
        for (std::size_t k = 0; k < x.cols(); ++k) x(r, k) = float((3 * r + k) % 11) * 0.1f;
    matmul(on, w, x, y);
    return y;
}

bool same(const Tensor<float>& a, const Tensor<float>& b) {
    return std::memcmp(a.data(), b.data(), a.rows() * a.stride() * sizeof(float)) == 0;
}

}  // namespace

int main() {
    const auto alone = product(Host(1));
    // quote: pool
    ThreadPool pool(2);  // this thread and another, which waits awake for 50 us and then asleep
    Host on(pool.executor());
    // end quote
    const bool pooled = same(alone, product(on));
    Engine engine;
    const bool own = same(alone, product(Host(executor_of(engine))));
    std::printf("the pool's result is %s, the engine's is %s\n", pooled ? "equal" : "different",
                own ? "equal" : "different");
    return pooled && own ? 0 : 1;
}
