// SPDX-License-Identifier: BSL-1.0
// NumPy files: .npz (a ZIP file of .npy members, stored or deflated) and single .npy.
#pragma once

#include <nibble/io/npy.hpp>
#include <nibble/io/zip.hpp>

#include <optional>

namespace nibble::inline NIBBLE_ARCH {

/// One array of a file.
struct NpyArray {
    std::string_view name;  ///< without ".npy"; empty in a .npy
    NpyHeader header;
};

/// The arrays of a .npy or .npz. Everything but the members' contents is checked at open; bytes() also
/// compares the CRC-32 of what it unpacks, verify() that of every member.
class NpzFile {
public:
    /// Maps and checks a file, which is told to be one or the other by its first bytes.
    [[nodiscard]] static NpzFile open(const std::string& path) {
        NpzFile file;
        file.mapped_ = MappedFile::open(path);
        file.parse(file.mapped_.bytes(), "\"" + path + "\"");
        return file;
    }
    /// Checks a file that lies in memory; `bytes` must outlive the result.
    [[nodiscard]] static NpzFile from_bytes(std::span<const std::byte> bytes,
                                            const std::string& name) {
        NpzFile file;
        file.parse(bytes, "\"" + name + "\"");
        return file;
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::span<const NpyArray> arrays() const noexcept { return arrays_; }
    /// The array of that name; nullptr when there is none.
    [[nodiscard]] const NpyArray* find(std::string_view name) const {
        for (const NpyArray& a : arrays_)
            if (a.name == name) return &a;
        return nullptr;
    }
    /// An array's data: a view of the file, or of `unpacked`, which is filled, for a deflated member.
    [[nodiscard]] std::span<const std::byte> bytes(const NpyArray& a,
                                                   std::vector<std::byte>& unpacked) const {
        const auto skip = static_cast<std::size_t>(a.header.bytes),
                   size = static_cast<std::size_t>(a.header.data);
        if (!zip_) return file_.subspan(skip);
        const ZipMember& m = member(a);
        if (!m.deflated) return m.packed.subspan(skip);
        // First without keeping anything: memory is only for a member that is whole.
        zip_->read(m, [](auto&&) {});
        unpacked.clear();
        unpacked.reserve(skip + size);
        zip_->read(m, [&](std::span<const std::byte> piece) {
            unpacked.insert(unpacked.end(), piece.begin(), piece.end());
        });
        return std::span<const std::byte>(unpacked).subspan(skip);
    }
    /// An array as floats in row-major order. Fails for complex numbers, and when out has another size.
    void read_floats(const NpyArray& a, std::span<float> out) const {
        if (out.size() != a.header.size())
            fail(name_ + ": array " + in_quotes(a.name) + " is " + to_string(a.header.shape) +
                 ", read into " + std::to_string(out.size()) + " numbers");
        std::vector<std::byte> unpacked;
        if (!to_floats(a.header, bytes(a, unpacked), out))
            fail(name_ + ": array " + in_quotes(a.name) + " is of complex numbers");
    }
    /// Reads every member and fails unless each is whole. A .npy has no checksum.
    void verify() const {
        if (zip_)
            for (const ZipMember& m : zip_->members()) zip_->read(m, [](auto&&) {});
    }

private:
    void parse(std::span<const std::byte> bytes, std::string name) {
        file_ = bytes;
        name_ = std::move(name);
        if (bytes.empty() || bytes[0] != std::byte{'P'}) {
            add({}, bytes, bytes.size(), name_);
            return;
        }
        zip_.emplace(bytes, name_);
        arrays_.reserve(zip_->members().size());
        for (const ZipMember& m : zip_->members()) {
            const std::string where = name_ + ": member " + in_quotes(m.name);
            if (!m.name.ends_with(".npy") || m.name.size() == 4) fail(where + " is no .npy");
            const std::string_view plain = m.name.substr(0, m.name.size() - 4);
            if (!m.deflated) {
                add(plain, m.packed, m.size, where);
                continue;
            }
            std::vector<std::byte> head;
            inflate(m.packed, where, [&](std::span<const std::byte> piece) {
                head.insert(head.end(), piece.begin(), piece.end());
                return head.size() < 65547;
            });
            add(plain, head, m.size, where);
        }
    }
    void add(std::string_view name, std::span<const std::byte> head, std::uint64_t size,
             const std::string& where) {
        NpyArray a{name, NpyHead(head, where).read()};
        if (size < a.header.bytes || a.header.data != size - a.header.bytes)
            fail(where + ": shape " + to_string(a.header.shape) + " of " +
                 std::string(name_of(a.header.dtype)) + " takes " + std::to_string(a.header.data) +
                 " bytes, after the head there are " +
                 std::to_string(size - std::min(size, a.header.bytes)));
        arrays_.push_back(std::move(a));
    }
    [[nodiscard]] const ZipMember& member(const NpyArray& a) const {
        return zip_->members()[static_cast<std::size_t>(&a - arrays_.data())];
    }

    MappedFile mapped_;
    std::string name_;
    std::span<const std::byte> file_;
    std::optional<ZipFile> zip_;
    std::vector<NpyArray> arrays_;  // in the order of the members
};

/// Writes one array, in C order, as a .npy.
inline void write_npy(const std::string& path, DType t, std::span<const std::uint64_t> shape,
                      std::span<const std::byte> data) {
    AtomicFile file(path);
    file.write(npy_head(t, shape));
    file.write(data);
    file.commit();
}

/// Adds one array, in C order, to a .npz. The bytes of it are as the file has them: little-endian.
inline void add_npy(ZipWriter& file, const std::string& name, DType t,
                    std::span<const std::uint64_t> shape, std::span<const std::byte> data) {
    const std::string head = npy_head(t, shape);
    const std::span<const std::byte> parts[] = {std::as_bytes(std::span(head.data(), head.size())),
                                                data};
    file.add(name + ".npy", parts);
}

}  // namespace nibble
