// Host memory: classes, alignment, recycling within and across threads, and the end of a thread.
#include <doctest/doctest.h>

#include <nibble/store/tensor.hpp>

#include <thread>
#include <vector>

using namespace nibble;

TEST_CASE("size classes hold what was asked for and lose at most a third or a huge page") {
    std::size_t last = 0;
    for (std::size_t bytes = 1; bytes < (std::size_t{1} << 23); bytes += 1 + bytes / 97) {
        const std::size_t size = HostMemory::size_class(bytes);
        CHECK(size >= bytes);
        CHECK(size % 32 == 0);
        CHECK(size >= last);
        if (bytes > 128 && size < HostMemory::huge_page) CHECK(3 * (size - bytes) <= size);
        CHECK(size - bytes < HostMemory::huge_page);
        CHECK(HostMemory::size_class(size) == size);
        last = size;
    }
    CHECK(HostMemory::size_class(1) == 64);
    CHECK(HostMemory::size_class((std::size_t{1} << 21) + 1) == std::size_t{2} << 21);
}

TEST_CASE("blocks are aligned, large ones to huge pages") {
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{100}, std::size_t{5000}, std::size_t{1} << 20,
          std::size_t{1} << 21, (std::size_t{1} << 22) + 5}) {
        void* block = HostMemory::allocate(bytes);
        const std::size_t wanted = bytes >= HostMemory::huge_page ? HostMemory::huge_page : 64;
        CHECK(reinterpret_cast<std::uintptr_t>(block) % wanted == 0);
        std::memset(block, 1, bytes);
        HostMemory::release(block, bytes);
    }
    CHECK(HostMemory::allocate(0) == nullptr);
    HostMemory::release(nullptr, 0);
    HostMemory::clear(nullptr, 0);
}

TEST_CASE("a freed block is the next of its class") {
    void* a = HostMemory::allocate(3000);
    HostMemory::release(a, 3000);
    void* b = HostMemory::allocate(2500);  // the same class, 3072
    CHECK(a == b);
    void* c = HostMemory::allocate(2500);
    CHECK(c != b);
    HostMemory::release(b, 2500);
    HostMemory::release(c, 2500);
    // Every class at once, twice: the second round gets the first round's blocks back.
    std::vector<std::pair<void*, std::size_t>> first, second;
    for (std::size_t n = 64; n <= (1u << 20); n += n / 2)
        first.emplace_back(HostMemory::allocate(n), n);
    for (auto [p, n] : first) HostMemory::release(p, n);
    for (auto [p, n] : first) second.emplace_back(HostMemory::allocate(n), n);
    std::size_t found = 0;
    for (auto [p, n] : second)
        for (auto [q, m] : first) found += p == q ? 1 : 0;
    CHECK(found == first.size());
    for (auto [p, n] : second) HostMemory::release(p, n);
}

TEST_CASE("a recycled tensor is zero again") {
    for (int i = 0; i < 3; ++i) {
        Tensor<float> t({7, 100});
        for (const float x : t.units()) CHECK(x == 0.0f);
        for (float& x : t.units()) x = 5.0f;
    }
}

TEST_CASE("tensors made by one thread and freed by another") {
    std::vector<Tensor<float>> many;
    std::thread maker([&] {
        for (int i = 0; i < 50; ++i) {
            many.emplace_back(Shape{8, 64});
            many.back()(7, 63) = static_cast<float>(i);
        }
    });
    maker.join();
    for (int i = 0; i < 50; ++i) CHECK(many[static_cast<std::size_t>(i)](7, 63) == float(i));
    std::thread breaker([&] { many.clear(); });
    breaker.join();
    CHECK(many.empty());
}

namespace {

/// Dies after the thread's cache, because it is made before it.
struct Survivor {
    Tensor<float> kept;
    ~Survivor() {
        Tensor<float> late({4, 64});  // must not come out of the lists that are gone
        late(3, 63) = kept.empty() ? 0.0f : kept(0, 0);
        kept = late;
    }
};

}  // namespace

TEST_CASE("tensors outlive the thread's cache") {
    // Under the address sanitizer this shows any use of a list that the thread's end has emptied.
    std::thread thread([] {
        thread_local Survivor survivor;
        survivor.kept = Tensor<float>();
        survivor.kept = Tensor<float>({4, 64});
        for (int i = 0; i < 4; ++i) Tensor<float> freed({4, 64});
    });
    thread.join();
    static Survivor at_exit;
    at_exit.kept = Tensor<float>({2, 2});
}

TEST_CASE("a cache keeps a bounded amount") {
    constexpr std::size_t big = std::size_t{160} << 20;
    void* a = HostMemory::allocate(big);
    void* b = HostMemory::allocate(big);
    HostMemory::release(a, big);
    HostMemory::release(b, big);  // beyond the limit: back to the system
    void* c = HostMemory::allocate(big);
    CHECK(c == a);
    HostMemory::release(c, big);
}
