// SPDX-License-Identifier: BSL-1.0
// Loading a model from a safetensors file, converting each parameter to its format while reading.
//
//     auto net = load<Mlp<PerRow<Int8Value>>>("digits.safetensors");     a file that save() wrote
//     load_into(on, gpt, SafetensorsFile::open("model.safetensors"),     anyone's file
//               {.name = [](const std::string& n) { return "transformer." + n; },
//                .transposed = [](const std::string& n) { return n.find(".c_") != n.npos; }});
//
// Names, shapes and types must match exactly; each kind of mismatch has its error, which lists the
// names. A parameter already in its format is copied bit for bit; any other is decoded to float and
// encoded again.
#pragma once

#include <nibble/kernel/executor.hpp>
#include <nibble/kernel/quantize.hpp>
#include <nibble/model/read.hpp>
#include <nibble/model/save.hpp>

#include <concepts>

namespace nibble::inline NIBBLE_ARCH {

/// How a file's names and layouts differ from the model's. Null: they do not.
struct LoadOptions {
    /// The file's name for a parameter: "h.0.ln_1.weight" may be "transformer.h.0.ln_1.weight"
    /// there.
    std::string (*name)(const std::string& parameter) = nullptr;
    /// True for a matrix that the file holds as [columns, rows] (GPT-2's Conv1D).
    bool (*transposed)(const std::string& parameter) = nullptr;
    /// True for a tensor of the file that is no parameter and may be left aside.
    bool (*ignored)(const std::string& tensor) = nullptr;
    /// Whether to compare nibble's checksum with every byte, where the file has one.
    bool verify = true;
};

/// What loading met.
struct LoadReport {
    std::size_t tensors = 0;     ///< parameters read
    Clipped clipped;             ///< values beyond the target format's range, and NaN
    std::size_t not_finite = 0;  ///< infinities and NaN among the numbers that were read
};

/// Fails when the file is a checkpoint of a newer format, of another model, or damaged.
template <class M>
void expect_checkpoint(const SafetensorsFile& file, const LoadOptions& options) {
    if (const std::string* format = file.metadata("nibble.format")) {
        unsigned version = 0;
        if (!parse_number(*format, version) || version == 0 || version > checkpoint_format)
            fail(file.name() + ": checkpoint format " + in_quotes(*format) +
                 ", this library (version " NIBBLE_VERSION ") reads up to " +
                 std::to_string(checkpoint_format));
        if (!file.has_checksum()) fail(file.name() + ": a checkpoint without its checksum");
    }
    if (options.verify && file.has_checksum()) file.verify();
    if constexpr (requires { std::string(M::name); })
        if (const std::string* model = file.metadata("nibble.model"); model && *model != M::name)
            fail(file.name() + ": a checkpoint of model " + in_quotes(*model) + ", expected " +
                 in_quotes(M::name));
}

/// Copies every parameter of `model` from the file. When it fails before the first byte is read
/// (names, shapes, types, damage), the model is unchanged.
template <class On, class M>
LoadReport load_into(On& on, M& model, const SafetensorsFile& file,
                     const LoadOptions& options = {}) {
    expect_checkpoint<M>(file, options);
    const auto file_name = [&](const std::string& n) { return options.name ? options.name(n) : n; };
    const auto transposed = [&](const std::string& n) {
        return options.transposed != nullptr && options.transposed(n);
    };
    Mismatches mismatches(file);
    for_each_parameter(
        [&](const std::string& name, auto& parameter) {
            if (!parameter.empty()) mismatches.check(file_name(name), parameter, transposed(name));
        },
        model);
    mismatches.raise(options.ignored);

    LoadReport report;
    for_each_parameter(
        [&](const std::string& name, auto& parameter) {
            if (parameter.empty()) return;
            read_parameter(on, file, file_name(name), transposed(name), parameter, report);
            ++report.tensors;
        },
        model);
    return report;
}

/// The same, from the file at `path`.
template <class On, class M>
LoadReport load_into(On& on, M& model, const std::string& path, const LoadOptions& options = {}) {
    return load_into(on, model, SafetensorsFile::open(path), options);
}

/// Reads a configuration's fields from the metadata; fails for one that is missing or no number.
template <class C>
[[nodiscard]] C config_from(const SafetensorsFile& file) {
    C config;
    C::fields(
        [&](const char* field, auto& value) {
            const std::string key = std::string("nibble.config.") + field;
            const std::string* text = file.metadata(key);
            if (text == nullptr) fail(file.name() + ": no metadata " + in_quotes(key));
            using T = std::remove_cvref_t<decltype(value)>;
            bool good = false;
            if constexpr (std::is_same_v<T, bool>) {
                value = *text == "1";
                good = value || *text == "0";
            } else if constexpr (std::is_enum_v<T>) {
                std::underlying_type_t<T> number{};
                good = parse_number(*text, number);
                value = static_cast<T>(number);
            } else {
                good = parse_number(*text, value);
            }
            if (!good)
                fail(file.name() + ": metadata " + in_quotes(key) + " is " + in_quotes(*text) +
                     ", which is no value of that field");
        },
        config);
    // Packed values are at most eight to a byte.
    double room = 0;
    for (const FileTensor& t : file.tensors()) room += 8.0 * static_cast<double>(t.bytes());
    if (!(config.weights() <= room))
        fail(file.name() + ": the sizes in its metadata need more weights than the file holds");
    return config;
}

/// A model of type M with the sizes that the file gives, loaded. The sizes come from the metadata
/// that save() wrote, or from the shapes of the tensors where M has a static
/// config_from_shapes(shape_of) (shape_of(name) is the shape, empty for no such tensor). A model
/// without a configuration takes its parameters' shapes from the file.
template <class M, class On = Host>
[[nodiscard]] M load(const SafetensorsFile& file, const LoadOptions& options = {}) {
    expect_checkpoint<M>(file, options);
    LoadOptions verified = options;
    verified.verify = false;
    On on;
    const auto shape_of = [&](const std::string& name) {
        const std::string mapped = options.name ? options.name(name) : name;
        const bool swap = options.transposed != nullptr && options.transposed(name);
        return file_shape(file, mapped, swap);
    };
    const auto loaded = [&](M model) {
        load_into(on, model, file, verified);
        return model;
    };
    if constexpr (Configured<M>) {
        using Config = std::remove_cvref_t<decltype(std::declval<M&>().config)>;
        if (file.metadata("nibble.format") != nullptr) return loaded(M(config_from<Config>(file)));
        if constexpr (requires { M(M::config_from_shapes(shape_of)); })
            return loaded(M(M::config_from_shapes(shape_of)));
        fail(file.name() +
             ": not written by nibble, so it does not say the model's sizes; construct "
             "the model with them and call load_into");
    } else {
        M model;
        for_each_parameter([&](const std::string& name, auto& p) { take_shape(p, shape_of(name)); },
                           model);
        return loaded(std::move(model));
    }
}

/// The same, from the file at `path`.
template <class M, class On = Host>
[[nodiscard]] M load(const std::string& path, const LoadOptions& options = {}) {
    return load<M, On>(SafetensorsFile::open(path), options);
}

}  // namespace nibble
