// SPDX-License-Identifier: BSL-1.0
// Host memory for tensors: 64-byte aligned, zeroed on request, recycled by the thread.
//
// Layers return tensors by value. So that inference in steady state asks the system for nothing, a
// freed block goes to a small list of the freeing thread and the next request of its size class
// takes it from there. Classes are powers of two and halves between (at most a third is lost), and
// whole huge pages from 2 MiB on, aligned as such and, on Linux, advised to be such. A thread keeps
// at most 256 MiB, and gives all of it back to the system when it ends; tensors may outlive that.
#pragma once

#include <nibble/version.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// What HostMemory throws when there is not enough: says how many bytes were asked for.
class OutOfMemory : public std::bad_alloc {
public:
    explicit OutOfMemory(std::size_t bytes) noexcept : bytes_(bytes) {
        char digits[20];
        std::size_t n = 0;
        do digits[n++] = static_cast<char>('0' + bytes % 10);
        while ((bytes /= 10) != 0);
        char* to = text_;
        for (const char* c = "nibble: out of memory: "; *c != 0; ++c) *to++ = *c;
        while (n != 0) *to++ = digits[--n];
        for (const char* c = " bytes asked for"; *c != 0; ++c) *to++ = *c;
    }
    [[nodiscard]] const char* what() const noexcept override { return text_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    std::size_t bytes_;
    char text_[64] = {};
};

/// Where a tensor's elements live. HostMemory is the default; a device brings its own.
struct HostMemory {
    static constexpr std::size_t alignment = 64;
    static constexpr std::size_t huge_page = std::size_t{1} << 21;

    /// At least `bytes` bytes, uninitialised. Throws OutOfMemory when there are none.
    [[nodiscard]] static void* allocate(std::size_t bytes) {
        if (bytes == 0) return nullptr;
        if (bytes > largest) refuse(bytes);
        const std::size_t size = size_class(bytes);
        if (void* block = cache().take(size)) return block;
        if (void* block = system_allocate(size)) return block;
        refuse(bytes);
    }

    /// Gives back what allocate(bytes) returned, from any thread.
    static void release(void* block, std::size_t bytes) noexcept {
        if (block == nullptr) return;
        const std::size_t size = size_class(bytes);
        if (!cache().keep(block, size)) system_release(block, size);
    }

    static void clear(void* block, std::size_t bytes) noexcept {
        if (bytes != 0) std::memset(block, 0, bytes);
    }

    /// Bytes really taken for a request of `bytes`.
    [[nodiscard]] static constexpr std::size_t size_class(std::size_t bytes) noexcept {
        if (bytes >= huge_page) return (bytes + huge_page - 1) / huge_page * huge_page;
        std::size_t size = alignment;
        while (size < bytes) {
            if (size + size / 2 >= bytes && size > alignment) return size + size / 2;
            size *= 2;
        }
        return size;
    }

private:
    struct Block {
        Block* next;
        std::size_t size;
    };
    /// Freed blocks by size class. It has no destructor, so that it can be asked after the thread's
    /// end has emptied it: then it is closed, and blocks go straight to the system.
    class Cache {
    public:
        void* take(std::size_t size) noexcept {
            for (Block** at = &lists_[slot(size)]; *at != nullptr; at = &(*at)->next)
                if ((*at)->size == size) {
                    Block* found = *at;
                    *at = found->next;
                    kept_ -= size;
                    return found;
                }
            return nullptr;
        }
        bool keep(void* block, std::size_t size) noexcept {
            if (closed_ || kept_ + size > limit) return false;
            Block*& list = lists_[slot(size)];
            list = new (block) Block{list, size};
            kept_ += size;
            return true;
        }
        void close() noexcept {
            closed_ = true;
            for (Block*& list : lists_)
                while (list != nullptr) {
                    Block* const block = list;
                    list = block->next;
                    system_release(block, block->size);
                }
        }

    private:
        static constexpr std::size_t limit = std::size_t{256} << 20;
        static constexpr std::size_t slots = 64;
        static std::size_t slot(std::size_t size) noexcept {
            return static_cast<std::size_t>((size * std::uint64_t{0x9E3779B97F4A7C15u}) >> 58) %
                   slots;
        }
        Block* lists_[slots] = {};
        std::size_t kept_ = 0;
        bool closed_ = false;
    };
    struct AtThreadEnd {
        Cache* cache;
        ~AtThreadEnd() { cache->close(); }
    };

    static constexpr std::size_t largest =
        static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) - huge_page;

    static Cache& cache() noexcept {
        thread_local constinit Cache lists;
        thread_local const AtThreadEnd end{&lists};
        return *end.cache;
    }
    [[noreturn]] static void refuse([[maybe_unused]] std::size_t bytes) {
#if defined(__cpp_exceptions)
        throw OutOfMemory(bytes);
#else
        static_cast<void>(::operator new(bytes));  // fails in the library, which ends the program
        for (;;) {
        }
#endif
    }
    static std::align_val_t alignment_of(std::size_t size) noexcept {
        return std::align_val_t{size >= huge_page ? huge_page : alignment};
    }
    static void* system_allocate(std::size_t size) noexcept {
        void* block = ::operator new(size, alignment_of(size), std::nothrow);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        if (block != nullptr && size >= huge_page) ::madvise(block, size, MADV_HUGEPAGE);
#endif
        return block;
    }
    static void system_release(void* block, std::size_t size) noexcept {
        ::operator delete(block, alignment_of(size));
    }
};

}  // namespace nibble
