// SPDX-License-Identifier: BSL-1.0
// The JSON at the head of a safetensors file, checked event by event: see safetensors.hpp.
#pragma once

#include <nibble/io/dtype.hpp>
#include <nibble/io/json.hpp>

#include <algorithm>
#include <map>
#include <vector>

namespace nibble::inline NIBBLE_ARCH {

/// One tensor as a file describes it.
struct FileTensor {
    std::string name;
    DType dtype = DType::F32;
    std::vector<std::uint64_t> shape;  ///< row-major; empty for a scalar
    std::uint64_t begin = 0, end = 0;  ///< bytes from the start of the (shard's) data
    std::uint32_t shard = 0;           ///< which file of several

    [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
    /// How many elements; fits, the reader has checked it.
    [[nodiscard]] std::uint64_t size() const noexcept {
        std::uint64_t n = 1;
        for (const std::uint64_t extent : shape) n *= extent;
        return n;
    }
};

/// Text keys with text values. nibble's own keys begin with "nibble.".
using Metadata = std::map<std::string, std::string, std::less<>>;

/// Takes the header's events; its states are the levels of the one form that a header may have.
class SafetensorsHeader final : public JsonEvents {
public:
    explicit SafetensorsHeader(std::string file) : JsonEvents(std::move(file)) {}
    std::vector<FileTensor> tensors;
    Metadata metadata;

    bool start_object(std::size_t) override {
        if (level_ == Level::file) level_ = Level::top;
        else if (level_ == Level::name) level_ = is_metadata_ ? Level::metadata : Level::tensor;
        else return refuse("object");
        return true;
    }
    bool end_object() override {
        if (level_ == Level::tensor) {
            if (seen_ != 7)
                fail(place() + ": no \"" + fields[seen_ & 1 ? seen_ & 2 ? 2 : 1 : 0] + "\"");
            check_size();
        }
        level_ = Level::top;
        return true;
    }
    bool key(string_t& name) override {
        switch (level_) {
            case Level::top:
                is_metadata_ = name == "__metadata__";
                level_ = Level::name;
                seen_ = 0;
                if (is_metadata_ && std::exchange(has_metadata_, true))
                    fail(where_ + ": \"__metadata__\" twice");
                if (!is_metadata_) tensors.emplace_back().name = name;
                return true;
            case Level::metadata:
                key_ = name;
                if (metadata.contains(key_)) fail(place() + ": key " + in_quotes(key_) + " twice");
                return true;
            default: break;
        }
        for (field_ = 0; field_ < 3; ++field_)
            if (name == fields[field_]) {
                if (seen_ & (1u << field_)) fail(place() + ": \"" + fields[field_] + "\" twice");
                seen_ |= 1u << field_;
                return true;
            }
        fail(place() + ": unknown field " + in_quotes(name));
    }
    bool string(string_t& text) override {
        if (level_ == Level::metadata) {
            metadata.emplace(key_, text);
            return true;
        }
        if (level_ != Level::tensor || field_ != 0) return refuse("string " + in_quotes(text));
        const auto known = dtype_named(text);
        if (!known) fail(place() + ": unknown dtype " + in_quotes(text));
        tensors.back().dtype = *known;
        return true;
    }
    bool start_array(std::size_t) override {
        if (level_ != Level::tensor || field_ == 0) return refuse("array");
        level_ = Level::numbers;
        count_ = 0;
        return true;
    }
    bool end_array() override {
        level_ = Level::tensor;
        if (field_ == 2 && count_ != 2)
            fail(place() + ": data_offsets has " + std::to_string(count_) + " numbers, expected 2");
        return true;
    }
    bool number_unsigned(number_unsigned_t x) override {
        if (level_ != Level::numbers) return refuse("number " + std::to_string(x));
        if (x >> 63 != 0)
            fail(place() + ": " + fields[field_] + " holds " + std::to_string(x) +
                 ", expected less than 2^63");
        FileTensor& t = tensors.back();
        if (field_ == 1) t.shape.push_back(x);
        else if (count_ < 2) (count_ == 0 ? t.begin : t.end) = x;
        ++count_;
        return true;
    }

private:
    enum class Level { file, top, name, tensor, numbers, metadata };
    static constexpr const char* fields[3] = {"dtype", "shape", "data_offsets"};

    [[nodiscard]] std::string place() const override {
        if (level_ == Level::file || level_ == Level::top) return where_;
        if (is_metadata_) return where_ + ": __metadata__";
        return where_ + ": tensor " + in_quotes(tensors.back().name);
    }
    /// What shape and dtype take must be what the offsets span. A product that wraps to zero is not
    /// an empty tensor, so a zero among the extents does not excuse the others.
    void check_size() const {
        const FileTensor& t = tensors.back();
        std::uint64_t elements = 1, bits = 0;
        for (const std::uint64_t extent : t.shape)
            if (!checked_multiply(elements, extent == 0 ? 1 : extent, elements))
                fail(place() + ": shape " + to_string(t.shape) + " has more than 2^64 elements");
        if (std::find(t.shape.begin(), t.shape.end(), 0u) != t.shape.end()) elements = 0;
        if (!checked_multiply(elements, bits_of(t.dtype), bits))
            fail(place() + ": shape " + to_string(t.shape) + " takes more than 2^64 bits");
        if (bits % 8 != 0)
            fail(place() + ": shape " + to_string(t.shape) + " of " +
                 std::string(name_of(t.dtype)) + " is no whole number of bytes");
        if (t.end < t.begin)
            fail(place() + ": data_offsets end at " + std::to_string(t.end) + ", before " +
                 std::to_string(t.begin));
        if (t.end - t.begin != bits / 8)
            fail(place() + ": data_offsets span " + std::to_string(t.end - t.begin) +
                 " bytes, shape " + to_string(t.shape) + " of " + std::string(name_of(t.dtype)) +
                 " takes " + std::to_string(bits / 8));
    }

    Level level_ = Level::file;
    bool is_metadata_ = false, has_metadata_ = false;
    unsigned seen_ = 0;  // one bit for each of fields
    std::size_t field_ = 0, count_ = 0;
    std::string key_;
};

}  // namespace nibble
