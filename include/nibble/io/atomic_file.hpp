// SPDX-License-Identifier: BSL-1.0
// Writing files so that no reader ever sees half of one.
#pragma once

#include <nibble/io/file.hpp>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Writes a file so that it appears whole or not at all: into a temporary in the same folder, then
/// fsync, rename over the old file, fsync of the folder. Without commit() the old file stays and
/// the temporary is removed. What is there and is no regular file (a pipe, a device) is written in
/// place; a symbolic link is followed.
class AtomicFile {
public:
    explicit AtomicFile(const std::string& path) : asked_(path), target_(path) { open(); }
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() { abandon(); }

    /// Appends. Fails, naming the file and the cause, when the system does not take it all.
    void write(std::span<const std::byte> bytes) {
        if (buffer_.size() + bytes.size() > buffer_size) flush();
        if (bytes.size() >= buffer_size) put(bytes);
        else buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
    void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

    /// Makes the new content durable and visible. Only after this has the file changed.
    void commit() {
        flush();
        finish();
    }

private:
    static constexpr std::size_t buffer_size = std::size_t{1} << 16;

    void flush() {
        put(buffer_);
        buffer_.clear();
    }

#if defined(__unix__) || defined(__APPLE__)
    void open() {
        if (char* resolved = ::realpath(asked_.c_str(), nullptr)) {
            target_ = resolved;
            std::free(resolved);
        }
        struct stat old {};
        const bool exists = ::stat(target_.c_str(), &old) == 0;
        if (exists && S_ISDIR(old.st_mode)) fail_file("write", asked_, EISDIR);
        if (exists && !S_ISREG(old.st_mode)) {
            handle_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
            if (handle_ < 0) fail_file("write", asked_, errno);
            return;
        }
        const std::size_t slash = target_.rfind('/');
        folder_ = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
        // The name is new: this process, then the first number that is free.
        for (int n = 0; handle_ < 0; ++n) {
            temporary_ = folder_ + "/.nibble-" + std::to_string(::getpid()) + "-" +
                         std::to_string(n) + ".tmp";
            handle_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (handle_ < 0 && errno != EEXIST) {
                const int error = errno;
                temporary_.clear();
                fail_file("create a file beside", asked_, error);
            }
        }
        // Best effort: a file that is replaced keeps its permissions.
        if (exists) static_cast<void>(::fchmod(handle_, old.st_mode & 07777));
    }
    void put(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::write(handle_, bytes.data(), bytes.size());
            if (n > 0) bytes = bytes.subspan(static_cast<std::size_t>(n));
            else if (n == 0) fail_file("write", asked_, ENOSPC);
            else if (errno != EINTR) fail_file("write", asked_, errno);
        }
    }
    void finish() {
        // A pipe or a device has nothing to sync and says so by EINVAL or ENOTSUP.
        if (::fsync(handle_) != 0 && !temporary_.empty()) fail_file("write", asked_, errno);
        const int handle = std::exchange(handle_, -1);
        if (::close(handle) != 0) fail_file("write", asked_, errno);
        if (temporary_.empty()) return;
        if (std::rename(temporary_.c_str(), target_.c_str()) != 0)
            fail_file("replace", asked_, errno);
        temporary_.clear();
        // The file is in place; a folder that cannot be synced is no reason to call it lost.
        const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (folder >= 0) {
            static_cast<void>(::fsync(folder));
            ::close(folder);
        }
    }
    void abandon() noexcept {
        if (handle_ >= 0) ::close(handle_);
        if (!temporary_.empty()) ::unlink(temporary_.c_str());
    }
    int handle_ = -1;
#else
    void open() {
        temporary_ = target_ + ".tmp";
        handle_ = std::fopen(temporary_.c_str(), "wb");
        if (handle_ == nullptr) fail_file("create a file beside", asked_, errno);
    }
    void put(std::span<const std::byte> bytes) {
        if (std::fwrite(bytes.data(), 1, bytes.size(), handle_) != bytes.size())
            fail_file("write", asked_, errno);
    }
    void finish() {
        if (std::fclose(std::exchange(handle_, nullptr)) != 0) fail_file("write", asked_, errno);
        std::remove(target_.c_str());  // here rename does not replace
        if (std::rename(temporary_.c_str(), target_.c_str()) != 0)
            fail_file("replace", asked_, errno);
        temporary_.clear();
    }
    void abandon() noexcept {
        if (handle_ != nullptr) std::fclose(handle_);
        if (!temporary_.empty()) std::remove(temporary_.c_str());
    }
    std::FILE* handle_ = nullptr;
#endif

    std::string asked_, target_, folder_, temporary_;
    std::vector<std::byte> buffer_;
};

}  // namespace nibble
