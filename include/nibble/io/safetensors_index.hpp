// SPDX-License-Identifier: BSL-1.0
// The index of a model that is cut into several safetensors files:
//
//     model.safetensors.index.json     {"metadata": {"total_size": 123, ...},
//                                       "weight_map": {"tensor": "model-00001-of-00002.safetensors", ...}}
#pragma once

#include <nibble/io/json.hpp>

#include <map>

namespace nibble::inline NIBBLE_ARCH {

/// Takes the index's events. Of "metadata" only the form is looked at: an object of texts, numbers,
/// bools and nulls.
class SafetensorsIndex final : public JsonEvents {
public:
    explicit SafetensorsIndex(std::string file) : JsonEvents(std::move(file)) {}
    /// Tensor to file, which is a plain name without a folder.
    std::map<std::string, std::string, std::less<>> files;

    bool start_object(std::size_t) override {
        if (level_ == Level::file) level_ = Level::top;
        else if (level_ == Level::name) level_ = in_map_ ? Level::map : Level::metadata;
        else return refuse("object");
        return true;
    }
    bool end_object() override {
        if (level_ == Level::top && !seen_map_) fail(where_ + ": no \"weight_map\"");
        level_ = Level::top;
        return true;
    }
    bool key(string_t& name) override {
        key_ = name;
        if (level_ != Level::top) return true;
        in_map_ = name == "weight_map";
        if (!in_map_ && name != "metadata") fail(where_ + ": unknown key " + in_quotes(name));
        if (std::exchange(in_map_ ? seen_map_ : seen_metadata_, true))
            fail(where_ + ": key " + in_quotes(name) + " twice");
        level_ = Level::name;
        return true;
    }
    bool string(string_t& text) override {
        if (level_ == Level::metadata) return true;
        if (level_ != Level::map) return refuse("string " + in_quotes(text));
        if (!text.ends_with(".safetensors") ||
            text.find_first_of(std::string_view("/\\:\0", 4)) != text.npos)
            fail(place() + ": the file " + in_quotes(text) +
                 " is no plain name that ends in .safetensors");
        if (!files.emplace(key_, text).second) fail(place() + " twice");
        return true;
    }
    bool null() override { return in_metadata("null"); }
    bool boolean(bool) override { return in_metadata("true or false"); }
    bool number_integer(number_integer_t) override { return in_metadata("number"); }
    bool number_unsigned(number_unsigned_t) override { return in_metadata("number"); }
    bool number_float(number_float_t, const string_t&) override { return in_metadata("number"); }

private:
    enum class Level { file, top, name, map, metadata };
    [[nodiscard]] std::string place() const override {
        return level_ == Level::map ? where_ + ": tensor " + in_quotes(key_) : where_;
    }
    [[nodiscard]] bool in_metadata(const char* what) const {
        return level_ == Level::metadata || refuse(what);
    }

    Level level_ = Level::file;
    bool in_map_ = false, seen_map_ = false, seen_metadata_ = false;
    std::string key_;
};

}  // namespace nibble
