// SPDX-License-Identifier: BSL-1.0
// Reading files: mapped and bounds-checked.
//
// Every error names the file and the cause. Sizes and offsets are 64-bit, and are compared before
// they are added or multiplied, so a hostile number cannot wrap past a check.
#pragma once

#include <nibble/store/error.hpp>

#include <bit>
#include <cerrno>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace nibble::inline NIBBLE_ARCH {

/// a + b into `sum`; false when it does not fit.
[[nodiscard]] constexpr bool checked_add(std::uint64_t a, std::uint64_t b,
                                         std::uint64_t& sum) noexcept {
    if (a > std::numeric_limits<std::uint64_t>::max() - b) return false;
    sum = a + b;
    return true;
}

/// a * b into `product`; false when it does not fit.
[[nodiscard]] constexpr bool checked_multiply(std::uint64_t a, std::uint64_t b,
                                              std::uint64_t& product) noexcept {
    if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return false;
    product = a * b;
    return true;
}

/// An unsigned little-endian integer from sizeof(T) bytes, at any alignment.
template <std::unsigned_integral T>
[[nodiscard]] inline T load_little(const std::byte* from) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
        T x;  // not every compiler makes one load of the loop below
        std::memcpy(&x, from, sizeof(T));
        return x;
    } else {
        std::uint64_t x = 0;
        for (std::size_t i = sizeof(T); i-- > 0;)
            x = x << 8 | std::to_integer<std::uint64_t>(from[i]);
        return static_cast<T>(x);
    }
}

/// Fails with "cannot <what> FILE: <what the system says>".
[[noreturn]] inline void fail_file(const char* what, const std::string& path, int error) {
    fail(std::string("cannot ") + what + " \"" + path + "\": " + std::strerror(error));
}

/// The bytes of a whole file, read-only: mapped where the system can, read otherwise. A mapped file
/// must not be cut short by another program while it is in use (replace files by renaming, as
/// AtomicFile does).
class MappedFile {
public:
    MappedFile() = default;
    MappedFile(MappedFile&& other) noexcept { swap(other); }
    MappedFile& operator=(MappedFile&& other) noexcept {
        MappedFile taken(std::move(other));
        swap(taken);
        return *this;
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile() { close(); }

    /// Fails for what is not there, not readable, or not a regular file.
    [[nodiscard]] static MappedFile open(const std::string& path) {
        MappedFile file;
        file.path_ = path;
        file.map();
        return file;
    }

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

private:
    void swap(MappedFile& other) noexcept {
        std::swap(path_, other.path_);
        std::swap(read_, other.read_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

#if defined(__unix__) || defined(__APPLE__)
    void map() {
        const int handle = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        if (handle < 0) fail_file("open", path_, errno);
        struct stat about {};
        const int error = ::fstat(handle, &about) != 0 ? errno : 0;
        const bool regular = S_ISREG(about.st_mode);
        void* at = nullptr;
        if (error == 0 && regular && about.st_size > 0) {
            size_ = static_cast<std::size_t>(about.st_size);
            at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, handle, 0);
        }
        const int map_error = at == MAP_FAILED ? errno : error;
        ::close(handle);
        if (at == MAP_FAILED) size_ = 0;
        if (map_error != 0) fail_file("read", path_, map_error);
        if (S_ISDIR(about.st_mode)) fail_file("read", path_, EISDIR);
        if (!regular) fail("cannot read \"" + path_ + "\": it is not a regular file");
        data_ = static_cast<const std::byte*>(at);
    }
    void close() noexcept {
        // munmap takes a non-const pointer; the mapping is ours and nothing is written through it.
        if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
    }
#else
    void map() {
        std::FILE* file = std::fopen(path_.c_str(), "rb");
        if (file == nullptr) fail_file("open", path_, errno);
        // Grown as bytes arrive: no size is believed before they are there.
        constexpr std::size_t block = std::size_t{1} << 20;
        std::size_t got = block;
        while (got == block) {
            const std::size_t before = read_.size();
            read_.resize(before + block);
            got = std::fread(read_.data() + before, 1, block, file);
            read_.resize(before + got);
        }
        const int error = std::ferror(file) != 0 ? errno : 0;
        std::fclose(file);
        if (error != 0) fail_file("read", path_, error);
        data_ = read_.data();
        size_ = read_.size();
    }
    void close() noexcept {}
#endif

    std::string path_;
    std::vector<std::byte> read_;
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Reads forward through bytes of which nothing is believed. `name` (a file) and the name of each
/// field go into the errors.
class Cursor {
public:
    Cursor(std::span<const std::byte> bytes, std::string name)
        : bytes_(bytes), name_(std::move(name)) {}

    [[nodiscard]] std::uint64_t position() const noexcept { return at_; }
    [[nodiscard]] std::uint64_t left() const noexcept { return bytes_.size() - at_; }

    /// The next n bytes. Fails, naming `field`, when there are fewer.
    [[nodiscard]] std::span<const std::byte> take(std::uint64_t n, const char* field) {
        if (n > left())
            fail(name_ + ": " + field + " at offset " + std::to_string(at_) + " takes " +
                 std::to_string(n) + " bytes, " + std::to_string(left()) + " are left");
        const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(n));
        at_ += static_cast<std::size_t>(n);
        return taken;
    }
    /// The next integer, little-endian.
    template <std::unsigned_integral T>
    [[nodiscard]] T integer(const char* field) {
        return load_little<T>(take(sizeof(T), field).data());
    }

private:
    std::span<const std::byte> bytes_;
    std::string name_;
    std::size_t at_ = 0;
};

}  // namespace nibble
