// SPDX-License-Identifier: BSL-1.0
// ZIP files, as .npz needs them: members stored or deflated, read; stored, written.
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/io/inflate.hpp>
#include <nibble/io/text.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// One member of a ZIP file.
struct ZipMember {
    std::string_view name;
    std::span<const std::byte> packed;  ///< its bytes in the file
    std::uint64_t size = 0;             ///< unpacked
    std::uint32_t crc = 0;
    bool deflated = false;
};

/// The directory of a ZIP file, checked: every member lies in the file, apart from the others, is
/// neither encrypted nor of another method, and has a name of its own. Sizes may be ZIP64's.
class ZipFile {
public:
    /// `bytes` must outlive the result; `name` goes into the errors.
    ZipFile(std::span<const std::byte> bytes, std::string name)
        : bytes_(bytes), name_(std::move(name)) {
        read_directory();
        expect_apart();
    }

    [[nodiscard]] std::span<const ZipMember> members() const noexcept { return members_; }
    /// Reads all of a member and fails unless its size and CRC-32 are the directory's. sink(span) is
    /// given its bytes in order when it is not null.
    template <class Sink>
    void read(const ZipMember& m, Sink&& sink) const {
        const std::string where = name_ + ": member " + in_quotes(m.name);
        Crc32 crc;
        std::uint64_t size = 0;
        const auto take = [&](std::span<const std::byte> piece) {
            crc.update(piece);
            size += piece.size();
            if (size > m.size)
                fail(where + ": unpacks to more than " + std::to_string(m.size) + " bytes");
            sink(piece);
            return true;
        };
        if (m.deflated) {
            const std::size_t taken = inflate(m.packed, where, take);
            if (taken != m.packed.size())
                fail(where + ": " + std::to_string(m.packed.size() - taken) +
                     " bytes after its compressed stream");
        } else {
            take(m.packed);
        }
        if (size != m.size)
            fail(where + ": unpacks to " + std::to_string(size) + " bytes, the directory says " +
                 std::to_string(m.size));
        if (crc.digest() != m.crc)
            fail(where + ": damaged: its CRC-32 is " + std::to_string(crc.digest()) +
                 ", the directory says " + std::to_string(m.crc));
    }

private:
    template <class T>
    [[nodiscard]] T at(std::uint64_t offset) const noexcept {
        return load_little<T>(bytes_.data() + offset);
    }
    [[noreturn]] void refuse(std::uint64_t offset, const std::string& what) const {
        fail(name_ + ": at offset " + std::to_string(offset) + ": " + what);
    }
    void read_directory() {
        constexpr std::uint64_t tail = 22, most_comment = 65535;
        const std::uint64_t size = bytes_.size();
        if (size < tail) refuse(0, "no ZIP file: " + std::to_string(size) + " bytes");
        std::uint64_t end = size - tail;
        while (at<std::uint32_t>(end) != 0x06054B50u ||
               at<std::uint16_t>(end + 20) != size - end - tail) {
            if (end == 0 || end == size - std::min(size, tail + most_comment))
                refuse(size, "no end of a ZIP directory");
            --end;
        }
        std::uint64_t count = at<std::uint16_t>(end + 10), length = at<std::uint32_t>(end + 12),
                      begin = at<std::uint32_t>(end + 16), limit = end;
        if (at<std::uint16_t>(end + 4) != 0 || at<std::uint16_t>(end + 6) != 0)
            refuse(end, "one of several disks");
        if (count == 0xFFFF || length == 0xFFFFFFFF || begin == 0xFFFFFFFF) {
            if (end < 20 || at<std::uint32_t>(end - 20) != 0x07064B50u)
                refuse(end, "no locator of a ZIP64 directory");
            const std::uint64_t e = at<std::uint64_t>(end - 20 + 8);
            if (end - 20 < 56 || e > end - 20 - 56 || at<std::uint32_t>(e) != 0x06064B50u)
                refuse(end - 12, "no ZIP64 directory at " + std::to_string(e));
            count = at<std::uint64_t>(e + 32);
            length = at<std::uint64_t>(e + 40);
            begin = at<std::uint64_t>(e + 48);
            limit = e;
        }
        if (begin > limit || length > limit - begin)
            refuse(end, "the directory is at " + std::to_string(begin) + " and has " +
                            std::to_string(length) + " bytes, at most up to " +
                            std::to_string(limit));
        if (count > length / 46)
            refuse(end, std::to_string(count) + " members in a directory of " +
                            std::to_string(length) + " bytes");
        members_.reserve(static_cast<std::size_t>(count));
        std::uint64_t entry = begin;
        for (std::uint64_t i = 0; i < count; ++i) entry = read_entry(entry, begin + length, begin);
    }
    /// A member's entry and its head before the data; gives where the next entry is.
    [[nodiscard]] std::uint64_t read_entry(std::uint64_t e, std::uint64_t end,
                                           std::uint64_t directory) {
        if (end - e < 46 || at<std::uint32_t>(e) != 0x02014B50u) refuse(e, "no directory entry");
        const std::uint64_t name = at<std::uint16_t>(e + 28), extra = at<std::uint16_t>(e + 30),
                            comment = at<std::uint16_t>(e + 32);
        if (end - e - 46 < name + extra + comment) refuse(e, "an entry that leaves the directory");
        ZipMember m;
        m.name = {reinterpret_cast<const char*>(bytes_.data()) + e + 46,
                  static_cast<std::size_t>(name)};
        const std::string what = "member " + in_quotes(m.name);
        if (m.name.empty() || valid_utf8_length(m.name) != m.name.size() ||
            m.name.find('\0') != m.name.npos)
            refuse(e + 46, what + ": no UTF-8 name");
        const unsigned flags = at<std::uint16_t>(e + 8), method = at<std::uint16_t>(e + 10);
        if ((flags & 0x2041) != 0) refuse(e + 8, what + " is encrypted");
        if (method != 0 && method != 8)
            refuse(e + 10, what + ": method " + std::to_string(method) +
                               ", 0 (stored) and 8 (deflated) are read");
        m.deflated = method == 8;
        m.crc = at<std::uint32_t>(e + 16);
        std::uint64_t packed = at<std::uint32_t>(e + 20), head = at<std::uint32_t>(e + 42);
        m.size = at<std::uint32_t>(e + 24);
        take_zip64(e + 46 + name, extra, {&m.size, &packed, &head}, what);
        if (directory < 30 || head > directory - 30 || at<std::uint32_t>(head) != 0x04034B50u)
            refuse(e + 42, what + ": no head at " + std::to_string(head));
        const std::uint64_t data =
            head + 30 + at<std::uint16_t>(head + 26) + at<std::uint16_t>(head + 28);
        if (data > directory || packed > directory - data)
            refuse(e + 20, what + ": its " + std::to_string(packed) + " bytes from " +
                               std::to_string(data) + " leave the " + std::to_string(directory) +
                               " before the directory");
        if (at<std::uint16_t>(head + 26) != name ||
            std::memcmp(bytes_.data() + head + 30, m.name.data(), m.name.size()) != 0)
            refuse(head + 30, what + " has another name at its head");
        if (!m.deflated && m.size != packed)
            refuse(e + 24, what + " is stored, " + std::to_string(packed) + " bytes as " +
                               std::to_string(m.size));
        // Deflate makes at most 1032 bytes of one.
        if (m.deflated && m.size / 1032 > packed)
            refuse(e + 24, what + ": " + std::to_string(m.size) + " bytes cannot be in " +
                               std::to_string(packed));
        m.packed = bytes_.subspan(static_cast<std::size_t>(data), static_cast<std::size_t>(packed));
        members_.push_back(m);
        return e + 46 + name + extra + comment;
    }
    /// Fields that say 0xFFFFFFFF are in extra field 1, eight bytes each, in this order.
    void take_zip64(std::uint64_t from, std::uint64_t length,
                    std::initializer_list<std::uint64_t*> fields, const std::string& what) const {
        std::span<const std::byte> values;
        while (length >= 4) {
            const std::uint64_t n = at<std::uint16_t>(from + 2);
            if (n > length - 4) refuse(from, what + ": an extra field that leaves its entry");
            if (at<std::uint16_t>(from) == 1)
                values =
                    bytes_.subspan(static_cast<std::size_t>(from + 4), static_cast<std::size_t>(n));
            from += 4 + n;
            length -= 4 + n;
        }
        for (std::uint64_t* field : fields) {
            if (*field != 0xFFFFFFFF) continue;
            if (values.size() < 8) refuse(from, what + ": no ZIP64 size");
            *field = load_little<std::uint64_t>(values.data());
            values = values.subspan(8);
        }
    }
    void expect_apart() const {
        std::vector<const ZipMember*> order;
        order.reserve(members_.size());
        for (const ZipMember& m : members_) order.push_back(&m);
        std::sort(order.begin(), order.end(),
                  [](const ZipMember* a, const ZipMember* b) { return a->name < b->name; });
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i]->name == order[i - 1]->name)
                fail(name_ + ": member " + in_quotes(order[i]->name) + " twice");
        std::sort(order.begin(), order.end(), [](const ZipMember* a, const ZipMember* b) {
            return a->packed.data() < b->packed.data();
        });
        for (std::size_t i = 1; i < order.size(); ++i)
            if (order[i]->packed.data() < order[i - 1]->packed.data() + order[i - 1]->packed.size())
                fail(name_ + ": members " + in_quotes(order[i - 1]->name) + " and " +
                     in_quotes(order[i]->name) + " share bytes");
    }

    std::span<const std::byte> bytes_;
    std::string name_;
    std::vector<ZipMember> members_;
};

/// Writes a ZIP file of stored members through an AtomicFile; sizes are ZIP64's where they must be.
class ZipWriter {
public:
    explicit ZipWriter(const std::string& path) : file_(path) {}

    /// A member of the given parts, one after the other. Its data begins at a multiple of 64.
    void add(const std::string& name, std::span<const std::span<const std::byte>> parts) {
        Entry e{name, 0, 0, at_};
        Crc32 crc;
        for (const auto part : parts) {
            crc.update(part);
            e.size += part.size();
        }
        e.crc = crc.digest();
        // An extra field of ZIP64 sizes always, then one of zeros (id 0x4E4E) up to the alignment.
        const std::uint64_t before = at_ + 30 + name.size() + 20;
        const std::uint64_t pad = 4 + (128 - (before + 4) % 64) % 64;
        std::string head = number(0x04034B50u, 4) + fields(e) + number(0xFFFFFFFF, 4) +
                           number(0xFFFFFFFF, 4) + number(name.size(), 2) + number(20 + pad, 2) +
                           name + number(1, 2) + number(16, 2) + number(e.size, 8) +
                           number(e.size, 8) + number(0x4E4E, 2) + number(pad - 4, 2) +
                           std::string(static_cast<std::size_t>(pad - 4), '\0');
        put(head);
        for (const auto part : parts) {
            file_.write(part);
            at_ += part.size();
        }
        entries_.push_back(std::move(e));
    }
    /// Writes the directory and makes the file visible.
    void commit() {
        const std::uint64_t begin = at_;
        for (const Entry& e : entries_)
            put(number(0x02014B50u, 4) + number(45, 2) + fields(e) + number(0xFFFFFFFF, 4) +
                number(0xFFFFFFFF, 4) + number(e.name.size(), 2) + number(28, 2) + number(0, 2) +
                number(0, 2) + number(0, 2) + number(0, 4) + number(0xFFFFFFFF, 4) + e.name +
                number(1, 2) + number(24, 2) + number(e.size, 8) + number(e.size, 8) +
                number(e.at, 8));
        const std::uint64_t end = at_, count = entries_.size();
        put(number(0x06064B50u, 4) + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 4) +
            number(0, 4) + number(count, 8) + number(count, 8) + number(end - begin, 8) +
            number(begin, 8));
        put(number(0x07064B50u, 4) + number(0, 4) + number(end, 8) + number(1, 4));
        put(number(0x06054B50u, 4) + number(0, 4) + number(0xFFFF, 2) + number(0xFFFF, 2) +
            number(0xFFFFFFFF, 4) + number(0xFFFFFFFF, 4) + number(0, 2));
        file_.commit();
    }

private:
    struct Entry {
        std::string name;
        std::uint64_t size;
        std::uint32_t crc;
        std::uint64_t at;
    };
    [[nodiscard]] static std::string number(std::uint64_t x, unsigned bytes) {
        std::string s;
        for (unsigned i = 0; i < bytes; ++i)
            s += static_cast<char>(static_cast<unsigned char>(x >> 8 * i));
        return s;
    }
    /// What heads and entries share: version 4.5, names in UTF-8, stored, 1 January 1980, the CRC.
    [[nodiscard]] static std::string fields(const Entry& e) {
        return number(45, 2) + number(0x0800, 2) + number(0, 2) + number(0, 2) + number(0x21, 2) +
               number(e.crc, 4);
    }
    void put(const std::string& text) {
        file_.write(text);
        at_ += text.size();
    }

    AtomicFile file_;
    std::uint64_t at_ = 0;
    std::vector<Entry> entries_;
};

}  // namespace nibble
