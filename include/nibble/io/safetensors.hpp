// SPDX-License-Identifier: BSL-1.0
// Reading safetensors files. A file is
//
//     u64 N | N bytes of JSON | data until the end of the file         (little-endian)
//     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
//      "__metadata__": {"text": "text", ...}}
//
// The reader is strict. It refuses, naming file, tensor, field, value and limit: a header longer
// than its cap or the file; anything but one JSON object of the form above; a key twice; a type it
// does not know; a size that is no plain whole number below 2^63; a product of sizes that does not
// fit; offsets that do not agree with type and shape; tensors that leave holes, overlap, or do not
// end with the file. Everything is checked once, at open; memory grows with bytes that are there,
// never with a number the file claims.
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/io/safetensors_header.hpp>

#include <tuple>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// What a reader may be lenient about.
struct SafetensorsOptions {
    /// Accept bytes after the last tensor: some published files have a few.
    bool allow_trailing_bytes = false;
    /// The header's greatest length; the reference reader has the same cap.
    std::uint64_t max_header = 100'000'000;
};

/// Names, metadata and bytes of a safetensors file.
class SafetensorsFile {
public:
    /// Maps and checks the file.
    [[nodiscard]] static SafetensorsFile open(const std::string& path,
                                              const SafetensorsOptions& options = {}) {
        SafetensorsFile file;
        file.mapped_ = MappedFile::open(path);
        file.parse(file.mapped_.bytes(), "\"" + path + "\"", options);
        return file;
    }
    /// Checks a file that lies in memory; `bytes` must outlive the result.
    [[nodiscard]] static SafetensorsFile from_bytes(std::span<const std::byte> bytes,
                                                    const std::string& name,
                                                    const SafetensorsOptions& options = {}) {
        SafetensorsFile file;
        file.parse(bytes, "\"" + name + "\"", options);
        return file;
    }

    /// The file's name in quotes, as messages give it.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// All tensors, in the order of their bytes.
    [[nodiscard]] std::span<const FileTensor> tensors() const noexcept { return tensors_; }
    [[nodiscard]] const Metadata& metadata() const noexcept { return metadata_; }
    /// A metadata text; nullptr when the key is not there.
    [[nodiscard]] const std::string* metadata(std::string_view key) const {
        const auto found = metadata_.find(key);
        return found == metadata_.end() ? nullptr : &found->second;
    }
    /// The tensor of that name; nullptr when there is none.
    [[nodiscard]] const FileTensor* find(std::string_view name) const {
        const auto at = std::lower_bound(
            by_name_.begin(), by_name_.end(), name,
            [&](std::size_t i, std::string_view n) { return tensors_[i].name < n; });
        return at != by_name_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
    }
    /// The tensor of that name; fails when there is none.
    [[nodiscard]] const FileTensor& at(std::string_view name) const {
        const FileTensor* found = find(name);
        if (found == nullptr) fail(name_ + ": no tensor " + in_quotes(name));
        return *found;
    }
    /// A tensor's bytes, at any alignment.
    [[nodiscard]] std::span<const std::byte> bytes(const FileTensor& t) const noexcept {
        return data_.subspan(static_cast<std::size_t>(t.begin),
                             static_cast<std::size_t>(t.bytes()));
    }

    /// True when the file carries nibble's checksum (see checksum.hpp).
    [[nodiscard]] bool has_checksum() const { return metadata("nibble.checksum") != nullptr; }
    /// Reads every byte and fails unless the file is as it was written. Needs has_checksum().
    void verify() const {
        const std::string* kept = metadata("nibble.checksum");
        if (kept == nullptr) fail(name_ + ": no checksum to verify");
        Xxh64 hash = checksum_of_header(header_);
        hash.update(data_);
        const std::string found = checksum_text(hash.digest());
        if (found != *kept)
            fail(name_ + ": damaged: its checksum is " + found + ", the file says " + *kept);
    }

private:
    void parse(std::span<const std::byte> bytes, std::string name,
               const SafetensorsOptions& options) {
        name_ = std::move(name);
        Cursor cursor(bytes, name_);
        const auto length = cursor.integer<std::uint64_t>("header length");
        if (length > options.max_header)
            fail(name_ + ": header length is " + std::to_string(length) + ", at most " +
                 std::to_string(options.max_header));
        const auto text = cursor.take(length, "header");
        header_ = {reinterpret_cast<const char*>(text.data()), text.size()};
        data_ = cursor.take(cursor.left(), "data");

        SafetensorsHeader header(name_);
        read_json_object(header_, name_, header, {static_cast<std::size_t>(options.max_header), 3});
        tensors_ = std::move(header.tensors);
        metadata_ = std::move(header.metadata);
        index();
        check_layout(options.allow_trailing_bytes);
    }
    void index() {
        std::sort(tensors_.begin(), tensors_.end(), [](const FileTensor& a, const FileTensor& b) {
            return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
        });
        by_name_.resize(tensors_.size());
        for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
        std::sort(by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) {
            return tensors_[a].name < tensors_[b].name;
        });
        for (std::size_t i = 1; i < by_name_.size(); ++i)
            if (tensors_[by_name_[i]].name == tensors_[by_name_[i - 1]].name)
                fail(name_ + ": tensor " + in_quotes(tensors_[by_name_[i]].name) + " twice");
    }
    void check_layout(bool allow_trailing) const {
        std::uint64_t at = 0;
        for (const FileTensor& t : tensors_) {
            if (t.begin != at)
                fail(name_ + ": tensor " + in_quotes(t.name) + ": data_offsets begin at " +
                     std::to_string(t.begin) + ", the tensor before ends at " + std::to_string(at));
            at = t.end;
            if (at > data_.size())
                fail(name_ + ": tensor " + in_quotes(t.name) + ": data_offsets end at " +
                     std::to_string(at) + ", the data has " + std::to_string(data_.size()) +
                     " bytes");
        }
        if (at != data_.size() && !allow_trailing)
            fail(name_ + ": " + std::to_string(data_.size() - at) + " bytes after the last tensor");
    }

    MappedFile mapped_;
    std::string name_;
    std::string_view header_;
    std::span<const std::byte> data_;
    std::vector<FileTensor> tensors_;
    std::vector<std::size_t> by_name_;
    Metadata metadata_;
};

}  // namespace nibble
