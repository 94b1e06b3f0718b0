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
//
// A model cut into several files is opened by its index (model.safetensors.index.json) and reads like
// one file.
#pragma once

#include <nibble/io/checksum.hpp>
#include <nibble/io/safetensors_header.hpp>
#include <nibble/io/safetensors_index.hpp>

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
    /// Maps and checks the file; where the name ends in ".index.json", every file that it names.
    [[nodiscard]] static SafetensorsFile open(const std::string& path,
                                              const SafetensorsOptions& options = {}) {
        SafetensorsFile file;
        if (path.ends_with(".index.json")) {
            file.open_shards(path, options);
            return file;
        }
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
    /// Bytes of the file; of an index, those of the files it names together.
    [[nodiscard]] std::uint64_t size() const noexcept {
        if (shards_.empty()) return 8 + header_.size() + data_.size();
        std::uint64_t all = 0;
        for (const SafetensorsFile& shard : shards_) all += shard.size();
        return all;
    }
    /// All tensors, in the order of their bytes (of several files: one file after the other).
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
        const auto& data = shards_.empty() ? data_ : shards_[t.shard].data_;
        return data.subspan(static_cast<std::size_t>(t.begin), static_cast<std::size_t>(t.bytes()));
    }

    /// True when the file (each of several) carries nibble's checksum (see checksum.hpp).
    [[nodiscard]] bool has_checksum() const {
        for (const SafetensorsFile& shard : shards_)
            if (!shard.has_checksum()) return false;
        return !shards_.empty() || metadata(checksum_key) != nullptr;
    }
    /// Reads every byte and fails unless the file is as it was written. Needs has_checksum().
    void verify() const {
        for (const SafetensorsFile& shard : shards_) shard.verify();
        if (!shards_.empty()) return;
        const std::string* kept = metadata(checksum_key);
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

        SafetensorsHeader header(header_, name_, data_.size(), options.allow_trailing_bytes);
        tensors_ = header.tensors();
        metadata_ = header.metadata();
        std::sort(tensors_.begin(), tensors_.end(), [](const FileTensor& a, const FileTensor& b) {
            return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
        });
        sort_names();
    }
    /// Every shard must hold the tensors that the index gives it, and no other.
    void open_shards(const std::string& path, const SafetensorsOptions& options) {
        name_ = "\"" + path + "\"";
        mapped_ = MappedFile::open(path);
        const auto bytes = mapped_.bytes();
        if (bytes.size() > options.max_header)
            fail(name_ + ": an index of " + std::to_string(bytes.size()) + " bytes, at most " +
                 std::to_string(options.max_header));
        const SafetensorsParts parts =
            SafetensorsIndex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name_)
                .read();
        const std::string folder = path.substr(0, path.find_last_of('/') + 1);
        std::map<std::string, std::uint32_t> numbers;
        for (const auto& [tensor, file] : parts) numbers.emplace(file, 0);
        shards_.reserve(numbers.size());
        for (auto& [file, number] : numbers) {
            number = static_cast<std::uint32_t>(shards_.size());
            shards_.push_back(open(folder + file, options));
            for (FileTensor t : shards_.back().tensors_) {
                const auto listed = parts.find(t.name);
                if (listed == parts.end() || listed->second != file)
                    fail(name_ + ": tensor " + in_quotes(t.name) + " is in the file " +
                         in_quotes(file) + ", the index " +
                         (listed == parts.end() ? "does not list it"
                                                : "says " + in_quotes(listed->second)));
                t.shard = number;
                tensors_.push_back(std::move(t));
            }
            for (const auto& [key, text] : shards_.back().metadata_) {
                if (key == checksum_key) continue;
                const auto [at, added] = metadata_.emplace(key, text);
                if (!added && at->second != text)
                    fail(name_ + ": metadata " + in_quotes(key) + " is " + in_quotes(at->second) +
                         " in one file and " + in_quotes(text) + " in another");
            }
        }
        sort_names();
        for (const auto& [tensor, file] : parts)
            if (find(tensor) == nullptr)
                fail(name_ + ": no tensor " + in_quotes(tensor) + " in the file " +
                     in_quotes(file));
    }
    void sort_names() {
        by_name_.resize(tensors_.size());
        for (std::size_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
        std::sort(by_name_.begin(), by_name_.end(), [&](std::size_t a, std::size_t b) {
            return tensors_[a].name < tensors_[b].name;
        });
        for (std::size_t i = 1; i < by_name_.size(); ++i)
            if (tensors_[by_name_[i]].name == tensors_[by_name_[i - 1]].name)
                fail(name_ + ": tensor " + in_quotes(tensors_[by_name_[i]].name) + " twice");
    }
    static constexpr std::string_view checksum_key = "nibble.checksum";

    MappedFile mapped_;
    std::string name_;
    std::vector<SafetensorsFile> shards_;  // of an index; a single file has none
    std::string_view header_;
    std::span<const std::byte> data_;
    std::vector<FileTensor> tensors_;
    std::vector<std::size_t> by_name_;
    Metadata metadata_;
};

}  // namespace nibble
