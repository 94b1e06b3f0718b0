// SPDX-License-Identifier: BSL-1.0
// A brain in a file: structure and live state, complete, at any precision, in both directions.
//
// The file is a safetensors file. Lists are tensors ("area.0.potential"), structures a tensor for each
// member ("synapse.source"), truths bytes of 0 and 1. Single numbers and texts are one JSON object in
// the metadata entry "nibble.brain.values", under the same names; whole numbers that no double holds
// stand there as texts. "nibble.brain" is the version of this, "nibble.brain.genome" the genome, if the
// brain has one. The file appears whole or not at all and carries a checksum.
#pragma once

#include <nibble/io/json.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/io/safetensors_writer.hpp>
#include <nibble/neuro/brain_fields.hpp>
#include <nibble/neuro/genome_read.hpp>
#include <nibble/neuro/genome_write.hpp>

#include <cmath>
#include <deque>

namespace nibble::inline NIBBLE_ARCH {

/// The version of brain files that is written; others are refused.
inline constexpr const char* brain_file_version = "1";

/// The element type of lists of T.
template <class T>
inline constexpr DType dtype_of = std::is_same_v<T, bool>            ? DType::BOOL
                                  : std::is_same_v<T, double>        ? DType::F64
                                  : std::is_same_v<T, float>         ? DType::F32
                                  : std::is_same_v<T, std::int32_t>  ? DType::I32
                                  : std::is_same_v<T, std::uint8_t>  ? DType::U8
                                  : std::is_same_v<T, std::uint16_t> ? DType::U16
                                  : std::is_same_v<T, std::uint32_t> ? DType::U32
                                                                     : DType::U64;

/// Visits a state and puts its parts into a file.
class BrainFileWriter {
public:
    explicit BrainFileWriter(SafetensorsWriter& file) : file_(file) {}

    template <class T>
    void value(const std::string& name, const T& x) {
        Json& to = values_[prefix_ + name];
        if constexpr (std::is_enum_v<T>) to = static_cast<unsigned>(x);
        else if constexpr (std::is_same_v<T, std::uint64_t>) to = std::to_string(x);
        else if constexpr (std::is_floating_point_v<T>)
            // JSON has no infinity, which is a limit of none.
            to = std::isfinite(x) ? Json(x) : Json(x > 0 ? "inf" : "-inf");
        else to = x;
    }
    template <class T>
    void list(const std::string& name, const std::vector<T>& x) {
        file_.add(prefix_ + name, dtype_of<T>, {x.size()}, std::as_bytes(std::span(x)));
    }
    template <class Row, class Columns>
    void rows(const std::string& name, const std::vector<Row>& x, Columns&& columns) {
        columns([&](const char* member, auto pointer) {
            using T = std::remove_cvref_t<decltype(std::declval<Row&>().*pointer)>;
            auto& bytes = held_.emplace_back(x.size() * sizeof(T));
            for (std::size_t i = 0; i < x.size(); ++i)
                std::memcpy(bytes.data() + i * sizeof(T), &(x[i].*pointer), sizeof(T));
            file_.add(prefix_ + (name.empty() ? "" : name + ".") + member, dtype_of<T>, {x.size()},
                      bytes);
        });
    }
    template <class Item, class Each>
    void items(const std::string& name, std::vector<Item>& x, Each&& each) {
        value(name + "s", static_cast<std::uint32_t>(x.size()));
        const std::string outer = prefix_;
        for (std::size_t i = 0; i < x.size(); ++i) {
            prefix_ = outer + name + "." + std::to_string(i) + ".";
            each(*this, x[i]);
        }
        prefix_ = outer;
    }
    [[nodiscard]] std::string values() const { return values_.dump(); }

private:
    SafetensorsWriter& file_;
    Json values_ = Json::object();
    std::deque<std::vector<std::byte>> held_;  // columns, until the file is written
    std::string prefix_;
};

/// Visits a state and fills it from a file. Errors name the file, the part, what it is and what was
/// expected; memory grows with bytes that are there.
class BrainFileReader {
public:
    BrainFileReader(const SafetensorsFile& file, const Json& values)
        : file_(file), values_(values) {}

    template <class T>
    void value(const std::string& name, T& x) {
        const Json& from = json_member(values_, (prefix_ + name).c_str(), file_.name());
        const auto refuse = [&](const std::string& expected) {
            fail(file_.name() + ": \"" + prefix_ + name + "\" is " + from.dump().substr(0, 80) +
                 ", expected " + expected);
        };
        if constexpr (std::is_same_v<T, std::string>) {
            if (!from.is_string()) refuse("a text");
            x = from.get<std::string>();
        } else if constexpr (std::is_same_v<T, bool>) {
            if (!from.is_boolean()) refuse("true or false");
            x = from.get<bool>();
        } else if constexpr (std::is_enum_v<T>) {
            constexpr auto last = static_cast<unsigned>(AreaKind::fatigue);
            if (!from.is_number_unsigned() || from.get<std::uint64_t>() > last)
                refuse("0 to " + std::to_string(last));
            x = static_cast<T>(from.get<unsigned>());
        } else if constexpr (std::is_floating_point_v<T>) {
            if (from == "inf" || from == "-inf") {
                x = from == "inf" ? std::numeric_limits<T>::infinity()
                                  : -std::numeric_limits<T>::infinity();
                return;
            }
            if (!from.is_number() ||
                !(std::fabs(from.get<double>()) <= double(std::numeric_limits<T>::max())))
                refuse("a number");
            x = from.get<T>();
        } else {
            std::uint64_t size = 0;
            bool negative = false;
            if (from.is_string()) {
                const auto& text = from.get_ref<const std::string&>();
                if (text.empty() || text.size() > 20 ||
                    text.find_first_not_of("0123456789") != std::string::npos)
                    refuse("a whole number");
                for (const char c : text)
                    if (!checked_multiply(size, 10, size) ||
                        !checked_add(size, static_cast<std::uint64_t>(c - '0'), size))
                        refuse("a whole number below 2^64");
            } else if (from.is_number_integer()) {
                negative = from.get<std::int64_t>() < 0 && !from.is_number_unsigned();
                size = negative
                           ? std::uint64_t{0} - static_cast<std::uint64_t>(from.get<std::int64_t>())
                           : from.get<std::uint64_t>();
            } else {
                refuse("a whole number");
            }
            const auto most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
            if (size > most || (negative && !std::is_signed_v<T>))
                refuse("a whole number to " + std::to_string(most));
            x = static_cast<T>(negative ? -static_cast<std::int64_t>(size)
                                        : static_cast<std::int64_t>(size));
        }
    }
    template <class T>
    void list(const std::string& name, std::vector<T>& x) {
        const auto bytes = tensor(name, dtype_of<T>);
        x.resize(bytes.size() / sizeof(T));
        for (std::size_t i = 0; i < x.size(); ++i) read(bytes.data() + i * sizeof(T), x[i], name);
    }
    template <class Row, class Columns>
    void rows(const std::string& name, std::vector<Row>& x, Columns&& columns) {
        bool first = true;
        columns([&](const char* member, auto pointer) {
            using T = std::remove_cvref_t<decltype(std::declval<Row&>().*pointer)>;
            const std::string full = (name.empty() ? "" : name + ".") + std::string(member);
            const auto bytes = tensor(full, dtype_of<T>);
            const std::size_t n = bytes.size() / sizeof(T);
            if (!std::exchange(first, false) && n != x.size())
                fail(file_.name() + ": " + prefix_ + full + " has " + std::to_string(n) +
                     " elements, expected " + std::to_string(x.size()));
            x.resize(n);
            for (std::size_t i = 0; i < n; ++i)
                read(bytes.data() + i * sizeof(T), x[i].*pointer, full);
        });
    }
    template <class Item, class Each>
    void items(const std::string& name, std::vector<Item>& x, Each&& each) {
        std::uint32_t n = 0;
        value(name + "s", n);
        const std::string outer = prefix_;
        x.clear();
        // One at a time: an item that is not there ends it.
        for (std::uint32_t i = 0; i < n; ++i) {
            prefix_ = outer + name + "." + std::to_string(i) + ".";
            x.emplace_back();
            each(*this, x.back());
        }
        prefix_ = outer;
    }

private:
    [[nodiscard]] std::span<const std::byte> tensor(const std::string& name, DType dtype) const {
        const FileTensor& t = file_.at(prefix_ + name);
        if (t.dtype != dtype || t.shape.size() != 1)
            fail(file_.name() + ": " + t.name + " is " + std::string(name_of(t.dtype)) + " with " +
                 std::to_string(t.shape.size()) + " dimensions, expected " +
                 std::string(name_of(dtype)) + " with 1");
        return file_.bytes(t);
    }
    template <class T>
    void read(const std::byte* from, T& x, const std::string& name) const {
        if constexpr (std::is_same_v<T, bool>) {
            if (std::to_integer<unsigned>(*from) > 1)
                fail(file_.name() + ": " + prefix_ + name + " has a byte that is not 0 or 1");
            x = *from == std::byte{1};
        } else if constexpr (std::is_floating_point_v<T>) {
            x = std::bit_cast<T>(
                load_little<std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>>(
                    from));
        } else {
            x = static_cast<T>(load_little<std::make_unsigned_t<T>>(from));
        }
    }

    const SafetensorsFile& file_;
    const Json& values_;
    std::string prefix_;
};

/// Writes a brain's state, and the genome it grew from when there is one.
inline void save_brain(const std::string& path, BrainState state, const Genome* genome = nullptr) {
    SafetensorsWriter file(path);
    BrainFileWriter writer(file);
    visit_brain(writer, state);
    file.set("nibble.brain", brain_file_version);
    file.set("nibble.brain.values", writer.values());
    if (genome != nullptr)
        file.set("nibble.brain.genome", genome_text(*genome, GenomeForm::flat_64));
    file.commit();
}

/// What a brain file holds.
struct BrainFile {
    BrainState state;
    std::optional<Genome> genome;
};

/// Reads and checks a brain file: checksum, version, the type of every part, and that neurons have
/// their state. BrainArchive::load checks the rest against the areas.
[[nodiscard]] inline BrainFile load_brain(const std::string& path) {
    const SafetensorsFile file = SafetensorsFile::open(path);
    const std::string* const version = file.metadata("nibble.brain");
    const std::string* const values = file.metadata("nibble.brain.values");
    if (version == nullptr || values == nullptr) fail(file.name() + ": not a brain's file");
    if (*version != brain_file_version)
        fail(file.name() + ": a brain's file of version " + in_quotes(*version) + ", expected " +
             in_quotes(brain_file_version));
    file.verify();
    BrainFile brain;
    const Json numbers = parse_json(*values, file.name());
    BrainFileReader reader(file, numbers);
    visit_brain(reader, brain.state);
    for (const AreaState& a : brain.state.areas)
        expect_equal(a.potential.size(), a.neurons, path.c_str(), "number of potentials");
    if (const std::string* text = file.metadata("nibble.brain.genome"))
        brain.genome = parse_genome(*text, path).genome;
    return brain;
}

}  // namespace nibble
