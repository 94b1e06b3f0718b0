// SPDX-License-Identifier: BSL-1.0
// ThreadPool: threads that wait a moment awake and then asleep, for programs without OpenMP and for
// machines that are busy with other things.
//
//     ThreadPool pool(4);                // this thread and three more
//     Host on(pool.executor());
//
// A run publishes one word that holds its number and its parts. Thread t owns part t, so that repeated
// kernels find their rows in the cache of the same core; whoever claims a part first runs it, and the
// caller, once done with its own, claims those whose owners have not come. So a thread that the system
// gives no time to delays a kernel only when it is lost in the middle of a part. Awake threads take up a
// part in about 0.1 us (bench/threads.cpp); after `awake` they sleep and take tens of microseconds,
// in which the caller may have done the work alone.
//
// Not part of nibble.hpp: <thread> and <atomic> take longer to compile than the kernels.
#pragma once

#include <nibble/kernel/executor.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

namespace nibble::inline NIBBLE_ARCH {

class ThreadPool {
public:
    /// threads = 0: one for each core; the caller of a kernel is one of them. A thread without work
    /// stays awake for `awake` and then sleeps until there is some. With more threads than cores they
    /// sleep at once.
    explicit ThreadPool(int threads = 0,
                        std::chrono::microseconds awake = std::chrono::microseconds(50))
        : threads_(count(threads)),
          awake_(threads_ > cores() ? std::chrono::microseconds(0) : awake),
          slots_(new Slot[static_cast<std::size_t>(threads_)]),
          others_(new std::thread[static_cast<std::size_t>(threads_ - 1)]) {
        for (int t = 1; t < threads_; ++t)
            others_[static_cast<std::size_t>(t - 1)] =
                std::thread([this, t] { serve(static_cast<std::size_t>(t)); });
    }
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;
    /// No kernel may be running.
    ~ThreadPool() {
        publish(0);
        for (int t = 1; t < threads_; ++t) others_[static_cast<std::size_t>(t - 1)].join();
    }

    [[nodiscard]] int threads() const noexcept { return threads_; }

    /// What a Host takes. The pool must outlive it.
    [[nodiscard]] Executor executor() noexcept {
        return {.threads = threads_, .pool = this, .run = &ThreadPool::run_on};
    }

private:
    using Part = void (*)(void* work, std::size_t p);

    // What part t of a run has come to: the number of the last run in which it was claimed and done.
    struct alignas(64) Slot {
        std::atomic<std::uint32_t> claimed{0}, done{0};
    };
    static constexpr std::uint64_t parts_mask = 0xFFFF;

    static int cores() noexcept {
        const unsigned n = std::thread::hardware_concurrency();
        return n == 0 ? 1 : static_cast<int>(n);
    }
    static int count(int threads) noexcept {
        const int n = threads > 0 ? threads : cores();
        return n < 1024 ? n : 1024;
    }
    static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
    /// Polls f until it is true or the time is over; whether it was true.
    template <class F>
    bool poll(F&& f) const {
        for (int i = 0; i < 16; ++i) {
            if (f()) return true;
            pause();
        }
        const auto end = std::chrono::steady_clock::now() + awake_;
        do {
            for (int i = 0; i < 16; ++i) {
                if (f()) return true;
                pause();
            }
        } while (std::chrono::steady_clock::now() < end);
        return f();
    }

    // The word of a run: its number in the upper bits, its parts in the lower ones (0: the end).
    void publish(std::uint64_t parts) {
        const std::uint64_t run = (word_.load(std::memory_order_relaxed) >> 16) + 1;
        word_.store(run << 16 | parts);
        // Either this thread sees a sleeper, or the sleeper sees the word before it falls asleep.
        if (asleep_.load() != 0) {
            bell_.fetch_add(1);
            bell_.notify_all();
        }
    }
    std::uint64_t next_word(std::uint64_t seen) {
        std::uint64_t word = seen;
        const auto changed = [&] {
            word = word_.load(std::memory_order_acquire);
            return word != seen;
        };
        if (poll(changed)) return word;
        asleep_.fetch_add(1);
        for (;;) {
            const std::uint32_t rings = bell_.load();
            word = word_.load();
            if (word != seen) break;
            bell_.wait(rings);
        }
        asleep_.fetch_sub(1);
        return word;
    }

    /// Takes part t of a run unless someone has; the run cannot end before a claimed part is done.
    bool claim(std::size_t t, std::uint32_t run) noexcept {
        std::uint32_t last = slots_[t].claimed.load(std::memory_order_relaxed);
        // A thread that comes late sees its part claimed in this run or in a later one.
        return static_cast<std::int32_t>(run - last) > 0 &&
               slots_[t].claimed.compare_exchange_strong(last, run, std::memory_order_acq_rel);
    }
    void serve(std::size_t t) {
        std::uint64_t word = 0;
        for (;;) {
            word = next_word(word);
            const std::size_t parts = word & parts_mask;
            if (parts == 0) return;
            const auto run = static_cast<std::uint32_t>(word >> 16);
            if (t >= parts || !claim(t, run)) continue;
            part_(work_, t);
            slots_[t].done.store(run, std::memory_order_release);
        }
    }

    void run(std::size_t parts, Part part, void* work) {
        // In use (another thread's kernel, or a kernel within a part), or more parts than threads: the
        // caller does what is asked alone.
        if (parts > static_cast<std::size_t>(threads_) ||
            busy_.test_and_set(std::memory_order_acquire)) {
            for (std::size_t p = 0; p < parts; ++p) part(work, p);
            return;
        }
        part_ = part;
        work_ = work;
        publish(parts);
        const auto run = static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> 16);
        part(work, 0);
        for (std::size_t p = 1; p < parts; ++p) {
            if (claim(p, run)) {
                part(work, p);
                continue;
            }
            const auto done = [&] { return slots_[p].done.load(std::memory_order_acquire) == run; };
            while (!poll(done)) std::this_thread::yield();
        }
        busy_.clear(std::memory_order_release);
    }
    static void run_on(void* pool, std::size_t parts, Part part, void* work) {
        static_cast<ThreadPool*>(pool)->run(parts, part, work);
    }

    int threads_;
    std::chrono::microseconds awake_;
    std::unique_ptr<Slot[]> slots_;
    std::unique_ptr<std::thread[]> others_;
    Part part_ = nullptr;
    void* work_ = nullptr;
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
    alignas(64) std::atomic<std::uint64_t> word_{0};
    alignas(64) std::atomic<std::uint32_t> asleep_{0};
    std::atomic<std::uint32_t> bell_{0};
};

}  // namespace nibble
