// SPDX-License-Identifier: BSL-1.0
// KvPages: memory for the keys and values of many sequences, in pages of one block of positions for all
// key heads. A page may have several users (sequences that begin alike); who writes to one of those gets
// a copy. All pages are there from the start, so taking one asks the system for nothing.
#pragma once

#include <nibble/store/buffer.hpp>
#include <nibble/store/error.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// `pages` pages of `page_bytes` bytes, zeros at first; pages that come back keep what they held. For one
/// thread at a time, and to outlive all stores that use it.
template <class Memory = HostMemory>
class KvPages {
public:
    KvPages() = default;
    KvPages(std::size_t pages, std::size_t page_bytes)
        : page_bytes_(page_bytes), bytes_(pages * page_bytes), users_(pages), free_(pages) {
        for (std::size_t i = 0; i < pages; ++i)
            free_[i] = static_cast<std::uint32_t>(pages - 1 - i);
        left_ = pages;
    }

    /// A page with one user. Fails when there is none left.
    [[nodiscard]] std::byte* take() {
        if (left_ == 0)
            fail("KvPages: all " + std::to_string(users_.size()) + " pages of " +
                 std::to_string(page_bytes_) + " bytes are in use");
        const std::uint32_t page = free_[--left_];
        users_[page] = 1;
        return bytes_.data() + page * page_bytes_;
    }
    /// One more user.
    void share(const std::byte* page) noexcept { ++users_[number(page)]; }
    /// One user less; the last gives the page back.
    void release(const std::byte* page) noexcept {
        const std::size_t n = number(page);
        if (--users_[n] == 0) free_[left_++] = static_cast<std::uint32_t>(n);
    }
    [[nodiscard]] bool shared(const std::byte* page) const noexcept {
        return users_[number(page)] > 1;
    }

    [[nodiscard]] std::size_t size() const noexcept { return users_.size(); }
    [[nodiscard]] std::size_t used() const noexcept { return users_.size() - left_; }
    [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
    /// Bytes of all pages.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }

private:
    [[nodiscard]] std::size_t number(const std::byte* page) const noexcept {
        return static_cast<std::size_t>(page - bytes_.data()) / page_bytes_;
    }
    std::size_t page_bytes_ = 0, left_ = 0;
    Buffer<std::byte, Memory> bytes_;
    Buffer<std::uint32_t, Memory> users_, free_;
};

}  // namespace nibble
