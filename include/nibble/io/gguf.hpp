// SPDX-License-Identifier: BSL-1.0
// Reading GGUF files, versions 2 and 3. A file is, little-endian,
//
//     "GGUF" | u32 version | u64 tensor count | u64 key-value count
//     key-values: string key, u32 type, value     strings: u64 length, UTF-8
//     tensors: string name, u32 rank, u64 extents (innermost first), u32 type, u64 offset
//     zeros to the alignment (general.alignment, else 32) | the tensors' data, each aligned
//
// The reader is strict: it refuses, naming file, offset, field, value and limit, whatever
// docs/files.md lists. Everything is checked once, at open, without a byte of memory for a number that
// the file only claims; then tensors and values are views of the mapped file.
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/io/gguf_metadata.hpp>

#include <tuple>

namespace nibble::inline NIBBLE_ARCH {

/// Names, metadata and bytes of a GGUF file.
class GgufFile : public GgufMetadata {
public:
    /// Maps and checks the file.
    [[nodiscard]] static GgufFile open(const std::string& path, const GgufLimits& limits = {}) {
        GgufFile file;
        file.mapped_ = MappedFile::open(path);
        file.parse(file.mapped_.bytes(), "\"" + path + "\"", limits);
        return file;
    }
    /// Checks a file that lies in memory; `bytes` must outlive the result.
    [[nodiscard]] static GgufFile from_bytes(std::span<const std::byte> bytes,
                                             const std::string& name,
                                             const GgufLimits& limits = {}) {
        GgufFile file;
        file.parse(bytes, "\"" + name + "\"", limits);
        return file;
    }

    [[nodiscard]] std::uint32_t version() const noexcept { return version_; }
    [[nodiscard]] std::uint64_t alignment() const noexcept { return alignment_; }

    /// All tensors, in the order of the file's list.
    [[nodiscard]] std::span<const GgufTensor> tensors() const noexcept { return tensors_; }
    /// The tensor of that name; nullptr when there is none.
    [[nodiscard]] const GgufTensor* find(std::string_view name) const {
        return find_by_name(tensors_, by_name_, name, &GgufTensor::name);
    }
    /// The tensor of that name; fails when there is none.
    [[nodiscard]] const GgufTensor& at(std::string_view name) const {
        const GgufTensor* found = find(name);
        if (found == nullptr) fail(name_ + ": no tensor " + in_quotes(name));
        return *found;
    }
    /// A tensor's bytes.
    [[nodiscard]] std::span<const std::byte> bytes(const GgufTensor& t) const noexcept {
        return data_.subspan(static_cast<std::size_t>(t.begin),
                             static_cast<std::size_t>(t.bytes()));
    }

    /// True when the file carries nibble's checksum (see checksum.hpp).
    [[nodiscard]] bool has_checksum() const { return value(checksum_key) != nullptr; }
    /// Reads every byte and fails unless the file is as it was written. Needs has_checksum().
    void verify() const {
        if (!has_checksum()) fail(name_ + ": no checksum to verify");
        const GgufValue& v = expect(checksum_key, GgufKind::string, "a string");
        const std::string_view kept = text_of(v);
        const std::size_t digits = static_cast<std::size_t>(v.offset) + checksum_prefix.size();
        if (kept.size() != checksum_prefix.size() + checksum_zeros.size())
            fail(name_ + ": key " + in_quotes(checksum_key) + " is " + in_quotes(kept));
        Xxh64 hash;
        hash.update(file_.first(digits));
        hash.update(checksum_zeros);
        hash.update(file_.subspan(digits + checksum_zeros.size()));
        const std::string found = checksum_text(hash.digest());
        if (found != kept)
            fail(name_ + ": damaged: its checksum is " + found + ", the file says " +
                 std::string(kept));
    }

private:
    // Twice over the head: first everything is checked, with 16 bytes for a key and 32 for a tensor;
    // the lists, which are larger than their text may be, are only made of a file that is good.
    void parse(std::span<const std::byte> bytes, std::string name, const GgufLimits& limits) {
        file_ = bytes;
        name_ = std::move(name);
        const std::uint64_t data = check(limits);
        GgufHead head(bytes, name_, limits);
        head.header();
        version_ = head.version;
        values_.reserve(static_cast<std::size_t>(head.key_values));
        for (std::uint64_t i = 0; i < head.key_values; ++i) values_.push_back(head.key_value());
        alignment_ = head.alignment();
        tensors_.reserve(static_cast<std::size_t>(head.tensors));
        for (std::uint64_t i = 0; i < head.tensors; ++i) tensors_.push_back(head.tensor());
        data_ =
            bytes.subspan(static_cast<std::size_t>(std::min<std::uint64_t>(data, bytes.size())));
        by_key_ = order_by_name(values_, &GgufValue::key);
        by_name_ = order_by_name(tensors_, &GgufTensor::name);
    }
    /// Where the data begins.
    [[nodiscard]] std::uint64_t check(const GgufLimits& limits) const {
        GgufHead head(file_, name_, limits);
        head.header();
        std::vector<std::string_view> names;
        names.reserve(static_cast<std::size_t>(std::max(head.key_values, head.tensors)));
        for (std::uint64_t i = 0; i < head.key_values; ++i) names.push_back(head.key_value().key);
        expect_once(names, "key");
        names.clear();
        struct Extent {
            std::uint64_t begin, end;
        };
        std::vector<Extent> extents;
        extents.reserve(static_cast<std::size_t>(head.tensors));
        for (std::uint64_t i = 0; i < head.tensors; ++i) {
            const GgufTensor t = head.tensor();
            names.push_back(t.name);
            extents.push_back({t.begin, t.end});
        }
        const std::uint64_t data = head.data_begin();
        const std::uint64_t room = file_.size() - std::min<std::uint64_t>(data, file_.size());
        for (std::size_t i = 0; i < extents.size(); ++i)
            if (extents[i].end > room)
                fail(name_ + ": tensor " + in_quotes(names[i]) + ": its bytes are " +
                     std::to_string(extents[i].begin) + " to " + std::to_string(extents[i].end) +
                     " of the data, which begins at offset " + std::to_string(data) + " and has " +
                     std::to_string(room));
        expect_once(names, "tensor");
        std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
            return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
        });
        for (std::size_t i = 1; i < extents.size(); ++i)
            if (extents[i].begin < extents[i - 1].end)
                fail(name_ + ": the tensor at " + std::to_string(extents[i].begin) +
                     " of the data begins within the one from " +
                     std::to_string(extents[i - 1].begin) + " to " +
                     std::to_string(extents[i - 1].end));
        return data;
    }
    void expect_once(std::vector<std::string_view>& names, const char* what) const {
        std::sort(names.begin(), names.end());
        const auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end()) fail(name_ + ": " + what + " " + in_quotes(*twice) + " twice");
    }

    static constexpr std::string_view checksum_key = "nibble.checksum";
    static constexpr std::string_view checksum_prefix = "xxh64:";

    MappedFile mapped_;
    std::span<const std::byte> file_, data_;
    std::uint32_t version_ = 0;
    std::uint64_t alignment_ = 32;
    std::vector<GgufTensor> tensors_;
    std::vector<std::uint32_t> by_name_;  // places in tensors_, sorted by name
};

}  // namespace nibble
