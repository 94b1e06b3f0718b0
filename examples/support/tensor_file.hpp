// A file of tensors in any of the formats that nibble reads, seen in one way: for inspect and convert.
#pragma once

#include <nibble/io/gguf_tensor.hpp>
#include <nibble/io/llama2c.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/io/safetensors.hpp>
#include <nibble/kernel/executor.hpp>
#include <nibble/model/checkpoint.hpp>

#include <filesystem>
#include <variant>

struct TensorEntry {
    std::string name, type;
    std::vector<std::uint64_t> shape;
    std::uint64_t bytes = 0;
    std::string description;  // of nibble's own checkpoints: "int4-g32 256x784"

    [[nodiscard]] std::uint64_t size() const {
        std::uint64_t n = 1;
        for (const std::uint64_t extent : shape) n *= extent;
        return n;
    }
};

class TensorFile {
public:
    /// Opens and checks a file (of several: their index or their folder). The name's end decides which
    /// reader takes it, or else the first bytes.
    explicit TensorFile(const std::string& path) : path_(path) {
        namespace fs = std::filesystem;
        std::error_code ignored;
        if (fs::is_directory(path, ignored)) {
            path_ = (fs::path(path) / "model.safetensors").string();
            if (!fs::exists(path_, ignored)) path_ += ".index.json";
        }
        const auto ends = [&](const char* end) { return path_.ends_with(end); };
        const auto bytes = nibble::MappedFile::open(path_);
        const std::string_view head(reinterpret_cast<const char*>(bytes.bytes().data()),
                                    std::min<std::size_t>(bytes.bytes().size(), 9));
        if (ends(".gguf") || head.starts_with("GGUF")) open_gguf();
        else if (ends(".npz") || ends(".npy") || head.starts_with("PK") ||
                 head.starts_with("\x93NUMPY"))
            open_numpy();
        else if (ends(".safetensors") || ends(".index.json") ||
                 (head.size() == 9 && head[8] == '{'))
            open_safetensors();
        else if (ends(".bin") || head.starts_with("24ka")) open_llama2c();
        else
            nibble::fail("\"" + path_ +
                         "\": none of safetensors, GGUF, .npz, .npy and llama2.c's .bin, by its "
                         "name and its first bytes");
        size_ = safetensors() ? safetensors()->size() : bytes.bytes().size();
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const std::string& format() const { return format_; }
    /// Bytes of the file, or of the parts that an index names.
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] const std::vector<TensorEntry>& tensors() const { return tensors_; }
    /// Keys and their values as texts; arrays in short.
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& metadata() const {
        return metadata_;
    }
    [[nodiscard]] const nibble::GgufFile* gguf() const {
        return std::get_if<nibble::GgufFile>(&file_);
    }
    [[nodiscard]] const nibble::SafetensorsFile* safetensors() const {
        return std::get_if<nibble::SafetensorsFile>(&file_);
    }

    /// The elements of tensor i as they are: of the type its entry names, row-major and little-endian.
    /// Nothing for blocks, codes with scales, and types that safetensors does not name.
    [[nodiscard]] std::optional<std::vector<std::byte>> elements(std::size_t i) const {
        const TensorEntry& e = tensors_[i];
        const auto type = nibble::dtype_named(e.type);
        if (!type || !e.description.empty()) return {};
        const auto copy = [](std::span<const std::byte> b) {
            return std::vector(b.begin(), b.end());
        };
        if (const auto* f = gguf()) return copy(f->bytes(f->tensors()[i]));
        if (const auto* f = safetensors()) return copy(f->bytes(f->tensors()[i]));
        const auto* f = std::get_if<nibble::NpzFile>(&file_);
        if (f == nullptr) return {};
        const nibble::NpyHeader& h = f->arrays()[i].header;
        std::vector<std::byte> unpacked;
        const auto from = f->bytes(f->arrays()[i], unpacked);
        const std::size_t size = nibble::bits_of(h.dtype) / 8;
        // A complex number is two, each with its own order of bytes.
        const std::size_t part = h.dtype == nibble::DType::C64 ? size / 2 : size;
        std::vector<std::byte> to(from.size());
        std::vector<std::uint64_t> at(h.shape.size());
        for (std::size_t n = 0; n < to.size(); n += size) {
            std::uint64_t source = 0;
            if (h.fortran)
                for (std::size_t d = at.size(); d-- > 0;) source = source * h.shape[d] + at[d];
            else source = n / size;
            for (std::size_t b = 0; b < size; ++b)
                to[n + b] = from[static_cast<std::size_t>(source) * size +
                                 (h.big_endian ? b / part * part + part - 1 - b % part : b)];
            for (std::size_t d = at.size(); d-- > 0 && ++at[d] == h.shape[d];) at[d] = 0;
        }
        return to;
    }
    /// The numbers of tensor i, row-major. False for a type whose numbers are not decoded.
    [[nodiscard]] bool read(std::size_t i, std::vector<float>& out) const {
        const TensorEntry& e = tensors_[i];
        if (const auto* f = gguf(); f && !nibble::info_of(f->tensors()[i].type).read) return false;
        out.resize(static_cast<std::size_t>(e.size()));
        if (const auto* f = gguf()) {
            const nibble::GgufTensor& t = f->tensors()[i];
            nibble::Host on;
            const auto cols = static_cast<std::size_t>(t.cols());
            if (!out.empty())
                nibble::read_floats(
                    on, *f, t,
                    nibble::View<float>{out.data(), out.size() / cols, cols, cols, false});
            return true;
        }
        if (const auto* f = std::get_if<nibble::NpzFile>(&file_)) {
            if (f->arrays()[i].header.dtype == nibble::DType::C64) return false;
            f->read_floats(f->arrays()[i], out);
            return true;
        }
        if (const auto* f = std::get_if<nibble::Llama2cFile>(&file_)) {
            const nibble::Llama2cTensor& t = f->tensors()[i];
            for (std::size_t r = 0; r < t.rows; ++r) f->read_row(t, r, out.data() + r * t.cols);
            return true;
        }
        const nibble::SafetensorsFile& f = *safetensors();
        const nibble::FileTensor& t = f.tensors()[i];
        if (e.description.empty())
            return nibble::to_floats(t.dtype, f.bytes(t).data(), out.size(), out.data());
        const auto m = nibble::stored_matrix(f, e.name, e.description);
        std::vector<float> work;
        for (std::size_t r = 0; r < m.rows; ++r)
            nibble::decode_row(m, r, out.data() + r * m.cols, work);
        return true;
    }
    /// Compares the file's checksum, where it has one, with every byte; "none", "xxh64" or "crc32".
    [[nodiscard]] std::string verify() const {
        if (const auto* f = gguf(); f && f->has_checksum()) return f->verify(), "xxh64";
        if (const auto* f = safetensors(); f && f->has_checksum()) return f->verify(), "xxh64";
        if (const auto* f = std::get_if<nibble::NpzFile>(&file_); f && format_ == "npz")
            return f->verify(), "crc32";
        return "none";
    }

private:
    void open_gguf() {
        const auto& f = file_.emplace<nibble::GgufFile>(nibble::GgufFile::open(path_));
        format_ = "GGUF version " + std::to_string(f.version());
        for (const nibble::GgufTensor& t : f.tensors())
            tensors_.push_back({std::string(t.name),
                                std::string(name_of(t.type)),
                                {t.shape().begin(), t.shape().end()},
                                t.bytes(),
                                ""});
        for (const nibble::GgufValue& v : f.values())
            metadata_.emplace_back(std::string(v.key), text_of(v));
    }
    void open_numpy() {
        const auto& f = file_.emplace<nibble::NpzFile>(nibble::NpzFile::open(path_));
        format_ = f.arrays().size() == 1 && f.arrays()[0].name.empty() ? "npy" : "npz";
        for (const nibble::NpyArray& a : f.arrays())
            tensors_.push_back({a.name.empty() ? "array" : std::string(a.name),
                                std::string(name_of(a.header.dtype)), a.header.shape, a.header.data,
                                ""});
    }
    void open_safetensors() {
        const auto& f =
            file_.emplace<nibble::SafetensorsFile>(nibble::SafetensorsFile::open(path_));
        format_ = "safetensors";
        for (const nibble::FileTensor& t : f.tensors()) {
            TensorEntry e{t.name, std::string(name_of(t.dtype)), t.shape, t.bytes(), ""};
            if (const std::string* text = f.metadata("nibble.tensor." + t.name)) {
                const auto m = nibble::stored_matrix(f, t.name, *text);
                e.description = *text;
                e.shape = {m.rows, m.cols};
            }
            tensors_.push_back(std::move(e));
        }
        for (const auto& [key, text] : f.metadata()) metadata_.emplace_back(key, text);
    }
    void open_llama2c() {
        const auto& f = file_.emplace<nibble::Llama2cFile>(nibble::Llama2cFile::open(path_));
        const nibble::Llama2cHeader& h = f.header();
        format_ = "llama2.c version " + std::to_string(h.version);
        for (const nibble::Llama2cTensor& t : f.tensors()) {
            const bool vector = t.rows == 1 && t.name.find("norm") != t.name.npos;
            tensors_.push_back({t.name, t.scales.empty() ? "F32" : "I8",
                                vector ? std::vector<std::uint64_t>{t.cols}
                                       : std::vector<std::uint64_t>{t.rows, t.cols},
                                t.values.size() + t.scales.size(), ""});
        }
        const std::pair<const char*, std::uint64_t> fields[] = {
            {"dim", h.channels},        {"hidden_dim", h.hidden},
            {"n_layers", h.layers},     {"n_heads", h.heads},
            {"n_kv_heads", h.kv_heads}, {"vocab_size", h.vocabulary},
            {"seq_len", h.context},     {"shared_classifier", h.tied ? 1u : 0u},
            {"group_size", h.group}};
        for (const auto& [key, value] : fields) metadata_.emplace_back(key, std::to_string(value));
    }
    [[nodiscard]] std::string text_of(const nibble::GgufValue& v) const {
        using nibble::GgufKind;
        if (v.kind == GgufKind::array)
            return std::to_string(v.count) + " of " + std::string(name_of(v.element));
        const nibble::GgufFile& f = *gguf();
        switch (v.kind) {
            case GgufKind::string: return std::string(f.text(v.key));
            case GgufKind::boolean: return f.boolean(v.key) ? "true" : "false";
            case GgufKind::f32:
            case GgufKind::f64: {
                char text[40];
                std::snprintf(text, sizeof(text), "%g", f.number(v.key));
                return text;
            }
            case GgufKind::i8: return std::to_string(f.scalar<std::int8_t>(v.bytes.data()));
            case GgufKind::i16: return std::to_string(f.scalar<std::int16_t>(v.bytes.data()));
            case GgufKind::i32: return std::to_string(f.scalar<std::int32_t>(v.bytes.data()));
            case GgufKind::i64: return std::to_string(f.scalar<std::int64_t>(v.bytes.data()));
            default: return std::to_string(f.integer(v.key, 0, ~std::uint64_t{0}));
        }
    }

    std::string path_, format_;
    std::uint64_t size_ = 0;
    std::variant<std::monostate, nibble::SafetensorsFile, nibble::GgufFile, nibble::NpzFile,
                 nibble::Llama2cFile>
        file_;
    std::vector<TensorEntry> tensors_;
    std::vector<std::pair<std::string, std::string>> metadata_;
};
