// SPDX-License-Identifier: BSL-1.0
// Writing safetensors files: atomically, in the reference writer's order, data aligned to 8 bytes,
// with a checksum.
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/io/checksum.hpp>
#include <nibble/io/json.hpp>
#include <nibble/io/safetensors_header.hpp>

#include <deque>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// Collects tensors that lie in memory, then writes them all at once. Nothing is copied: what add()
/// was given must stay until commit(), but for what add_owned() takes.
class SafetensorsWriter {
public:
    explicit SafetensorsWriter(std::string path) : path_(std::move(path)) {}

    /// A metadata text. A key set before is replaced; "nibble.checksum" is the writer's own.
    void set(const std::string& key, std::string value) { metadata_[key] = std::move(value); }

    /// A tensor of contiguous elements.
    void add(const std::string& name, DType dtype, std::vector<std::uint64_t> shape,
             std::span<const std::byte> data) {
        add_rows(name, dtype, std::move(shape), data.data(), 1, data.size(), data.size());
    }
    /// The same, of bytes that the writer keeps.
    void add_owned(const std::string& name, DType dtype, std::vector<std::uint64_t> shape,
                   std::vector<std::byte> data) {
        owned_.push_back(std::move(data));
        add(name, dtype, std::move(shape), owned_.back());
    }
    /// A tensor whose bytes are `rows` runs of `row_bytes`, `stride` bytes apart. Fails when they
    /// are not as many as shape and dtype take, or when the name was added before.
    void add_rows(const std::string& name, DType dtype, std::vector<std::uint64_t> shape,
                  const void* data, std::size_t rows, std::size_t row_bytes, std::size_t stride) {
        std::uint64_t bits = bits_of(dtype), given = 0;
        for (const std::uint64_t extent : shape)
            if (!checked_multiply(bits, extent, bits)) fail(path_ + ": " + name + " is too large");
        if (!checked_multiply(rows, row_bytes, given) || bits % 8 != 0 || given != bits / 8)
            fail("write \"" + path_ + "\": tensor " + in_quotes(name) + " has " +
                 std::to_string(given) + " bytes, shape " + to_string(shape) + " of " +
                 std::string(name_of(dtype)) + " takes " + std::to_string(bits) + " bits");
        if (name == "__metadata__" || name.empty())
            fail("write \"" + path_ + "\": a tensor cannot be called " + in_quotes(name));
        const auto* bytes = static_cast<const std::byte*>(data);
        tensors_.push_back(
            {{name, dtype, std::move(shape), 0, given, 0}, bytes, rows, row_bytes, stride});
    }

    /// Writes the file. When it fails, what was there before is still there.
    void commit() {
        arrange();
        std::string head = header();
        Xxh64 hash = checksum_of_header(head);
        for_each_run([&](std::span<const std::byte> run) { hash.update(run); });
        const std::string digits = checksum_text(hash.digest()).substr(6);
        head.replace(head.find(checksum_entry) + checksum_entry.size(), digits.size(), digits);

        AtomicFile file(path_);
        std::byte length[8];
        for (unsigned i = 0; i < 8; ++i)
            length[i] = static_cast<std::byte>(std::uint64_t{head.size()} >> (8 * i));
        file.write(std::span<const std::byte>(length));
        file.write(head);
        for_each_run([&](std::span<const std::byte> run) { file.write(run); });
        file.commit();
    }

private:
    struct Source {
        FileTensor tensor;
        const std::byte* data;
        std::size_t rows, row_bytes, stride;
    };

    void arrange() {
        std::sort(tensors_.begin(), tensors_.end(), [](const Source& a, const Source& b) {
            if (a.tensor.dtype != b.tensor.dtype) return a.tensor.dtype > b.tensor.dtype;
            return a.tensor.name < b.tensor.name;
        });
        std::vector<std::string_view> names;
        std::uint64_t at = 0;
        for (Source& s : tensors_) {
            names.push_back(s.tensor.name);
            const std::uint64_t bytes = s.tensor.bytes();
            s.tensor.begin = at;
            if (!checked_add(at, bytes, at)) fail("write \"" + path_ + "\": too large");
            s.tensor.end = at;
        }
        std::sort(names.begin(), names.end());
        const auto twice = std::adjacent_find(names.begin(), names.end());
        if (twice != names.end())
            fail("write \"" + path_ + "\": tensor " + in_quotes(*twice) + " twice");
    }
    [[nodiscard]] std::string header() {
        metadata_.erase("nibble.checksum");
        std::string text = "{\"__metadata__\":{" + std::string(checksum_entry) +
                           std::string(checksum_zeros) + "\"";
        for (const auto& [key, value] : metadata_)
            text += "," + json_string(key, path_) + ":" + json_string(value, path_);
        text += "}";
        for (const Source& s : tensors_) {
            text += "," + json_string(s.tensor.name, path_) + ":{\"dtype\":\"" +
                    std::string(name_of(s.tensor.dtype)) + "\",\"shape\":[";
            for (std::size_t i = 0; i < s.tensor.shape.size(); ++i)
                text += (i == 0 ? "" : ",") + std::to_string(s.tensor.shape[i]);
            text += "],\"data_offsets\":[" + std::to_string(s.tensor.begin) + "," +
                    std::to_string(s.tensor.end) + "]}";
        }
        text += "}";
        text.append((8 - text.size() % 8) % 8, ' ');
        return text;
    }
    /// Calls f with the bytes of all tensors in file order, little-endian.
    template <class F>
    void for_each_run(F&& f) const {
        std::vector<std::byte> swapped;
        for (const Source& s : tensors_) {
            const bool whole = s.stride == s.row_bytes;
            const std::size_t bytes = whole ? s.rows * s.row_bytes : s.row_bytes;
            for (std::size_t r = 0; r < (whole ? 1 : s.rows); ++r) {
                std::span<const std::byte> run(s.data + r * s.stride, bytes);
                if constexpr (std::endian::native != std::endian::little) {
                    swapped.assign(run.begin(), run.end());
                    const std::size_t width = std::max(bits_of(s.tensor.dtype) / 8, 1u);
                    for (std::size_t i = 0; i + width <= bytes; i += width)
                        std::reverse(swapped.data() + i, swapped.data() + i + width);
                    run = swapped;
                }
                if (!run.empty()) f(run);
            }
        }
    }

    std::deque<std::vector<std::byte>> owned_;  // a deque: its elements stay where they are
    std::string path_;
    Metadata metadata_;
    std::vector<Source> tensors_;
};

}  // namespace nibble
