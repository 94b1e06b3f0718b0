// Labelled images for the examples: read from files, or drawn when there are none.
//
//     Dataset::open(path)        IDX (MNIST: the images file, the labels file beside it), lines of
//                                numbers with commas, the label last (optdigits), or what save()
//                                wrote; each also gzipped where the examples are built with zlib
//     Dataset::digits(n, seed)   drawn digits: strokes moved, turned, thickened, with noise
//
//     for (auto& [image, label] : data)            image: [1, pixels], label: int
//     for (auto& batch : data.batches(64, seed))   batch.input: [n, pixels], batch.target: n labels
#pragma once

#include <nibble/io/atomic_file.hpp>
#include <nibble/io/file.hpp>
#include <nibble/store/tensor.hpp>
#include <nibble/value/rounding.hpp>

#include "digits.hpp"

#include <charconv>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#if defined(EXAMPLES_ZLIB)
#include <zlib.h>
#endif

/// One image and what it shows.
struct Example {
    nibble::Tensor<float> image;
    int label = 0;
};

/// Several images: what Trainer::step takes.
struct Batch {
    nibble::Tensor<float> input;
    std::vector<std::int32_t> target;
};

class Dataset {
    struct Images {
        std::size_t width = 0, height = 0;
        unsigned white = 255;  // the greatest pixel; it reads as 1.0
        std::vector<std::uint8_t> pixels, labels;
    };

    // Walks over `order` in steps of `step`; Item is Example or Batch.
    template <class Item>
    class Range {
    public:
        class Iterator {
        public:
            Iterator(const Range* range, std::size_t at) : range_(range), at_(at) { read(); }
            Item& operator*() { return item_; }
            Iterator& operator++() {
                at_ += range_->step_;
                read();
                return *this;
            }
            bool operator!=(const Iterator& other) const {
                return (at_ < range_->order_.size()) != (other.at_ < range_->order_.size());
            }

        private:
            void read() {
                if (at_ < range_->order_.size()) range_->fill(item_, at_);
            }
            const Range* range_;
            std::size_t at_;
            Item item_;
        };

        Range(std::shared_ptr<const Images> images, std::vector<std::size_t> order,
              std::size_t step)
            : images_(std::move(images)), order_(std::move(order)), step_(step) {}
        Iterator begin() const { return {this, 0}; }
        Iterator end() const { return {this, order_.size()}; }
        /// How many items.
        std::size_t size() const { return (order_.size() + step_ - 1) / step_; }

    private:
        void copy(std::size_t at, float* row) const {
            const std::size_t n = images_->width * images_->height;
            const std::uint8_t* pixels = images_->pixels.data() + order_[at] * n;
            for (std::size_t i = 0; i < n; ++i)
                row[i] = static_cast<float>(pixels[i]) / static_cast<float>(images_->white);
        }
        void fill(Example& example, std::size_t at) const {
            example.image = nibble::Tensor<float>({1, images_->width * images_->height});
            copy(at, example.image.data());
            example.label = images_->labels[order_[at]];
        }
        void fill(Batch& batch, std::size_t at) const {
            const std::size_t n = std::min(step_, order_.size() - at);
            batch.input = nibble::Tensor<float>({n, images_->width * images_->height});
            batch.target.resize(n);
            for (std::size_t i = 0; i < n; ++i) {
                copy(at + i, &batch.input(i, 0));
                batch.target[i] = images_->labels[order_[at + i]];
            }
        }
        std::shared_ptr<const Images> images_;
        std::vector<std::size_t> order_;
        std::size_t step_;
    };

public:
    static Dataset open(const std::string& path) {
        const std::string text = contents(path);
        auto images = std::make_shared<Images>();
        nibble::Cursor cursor(bytes_of(text), "\"" + path + "\"");
        if (text.starts_with("NBLDATA1")) read_own(*images, cursor);
        else if (text.starts_with(std::string_view("\0\0\x08\x03", 4)))
            read_idx(*images, cursor, path);
        else read_lines(*images, text, path);
        if (images->labels.empty()) nibble::fail("\"" + path + "\": no images");
        return Dataset(images);
    }

    /// n drawn digits of side x side pixels; the same for the same seed.
    static Dataset digits(std::size_t n, std::uint64_t seed, std::size_t side = 28) {
        auto images = std::make_shared<Images>();
        images->width = images->height = side;
        nibble::Random random(seed);
        for (std::size_t i = 0; i < n; ++i) {
            images->labels.push_back(static_cast<std::uint8_t>(random.below(10)));
            draw_digit(images->labels.back(), side, random, images->pixels);
        }
        return Dataset(images);
    }

    void save(const std::string& path) const {
        nibble::AtomicFile file(path);
        std::string text = "NBLDATA1";
        for (const std::size_t x :
             {size(), images_->width, images_->height, std::size_t{images_->white}})
            for (unsigned i = 0; i < 4; ++i) text += static_cast<char>(x >> (8 * i) & 255);
        file.write(text);
        file.write(std::as_bytes(std::span(images_->labels)));
        file.write(std::as_bytes(std::span(images_->pixels)));
        file.commit();
    }

    std::size_t size() const { return images_->labels.size(); }
    std::size_t width() const { return images_->width; }
    std::size_t height() const { return images_->height; }
    std::size_t pixels() const { return images_->width * images_->height; }
    int classes() const {
        return images_->labels.empty()
                   ? 0
                   : 1 + *std::max_element(images_->labels.begin(), images_->labels.end());
    }

    Range<Example>::Iterator begin() const { return examples_.begin(); }
    Range<Example>::Iterator end() const { return examples_.end(); }

    /// All images once, n at a time (the last batch may be smaller); shuffled for seed > 0.
    Range<Batch> batches(std::size_t n, std::uint64_t seed = 0) const {
        std::vector<std::size_t> order = in_order(size());
        nibble::Random random(seed);
        for (std::size_t i = order.size(); seed != 0 && i > 1; --i)
            std::swap(order[i - 1], order[random.below(i)]);
        return {images_, std::move(order), n};
    }

private:
    explicit Dataset(std::shared_ptr<const Images> images)
        : images_(images), examples_(images, in_order(images->labels.size()), 1) {}

    static std::vector<std::size_t> in_order(std::size_t n) {
        std::vector<std::size_t> order(n);
        std::iota(order.begin(), order.end(), std::size_t{0});
        return order;
    }
    static std::span<const std::byte> bytes_of(const std::string& text) {
        return std::as_bytes(std::span(text.data(), text.size()));
    }

    static std::string contents(const std::string& path) {
        const auto file = nibble::MappedFile::open(path);
        const auto bytes = file.bytes();
        if (bytes.size() < 2 || bytes[0] != std::byte{0x1F} || bytes[1] != std::byte{0x8B})
            return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
#if defined(EXAMPLES_ZLIB)
        gzFile gz = gzopen(path.c_str(), "rb");
        std::string text;
        std::vector<char> block(1 << 16);
        int n = 0;
        while (gz != nullptr && (n = gzread(gz, block.data(), 1 << 16)) > 0)
            text.append(block.data(), static_cast<std::size_t>(n));
        if (gz == nullptr || n < 0 || gzclose(gz) != Z_OK)
            nibble::fail("\"" + path + "\": damaged gzip file");
        return text;
#else
        nibble::fail("\"" + path +
                     "\" is gzipped and the examples were built without zlib: unpack "
                     "it with gunzip first");
#endif
    }

    static std::size_t big_endian(nibble::Cursor& cursor, const char* field) {
        std::size_t x = 0;
        for (const std::byte b : cursor.take(4, field))
            x = x << 8 | std::to_integer<std::size_t>(b);
        return x;
    }
    static std::vector<std::uint8_t> take(nibble::Cursor& cursor, std::uint64_t n,
                                          const char* field) {
        const auto bytes = cursor.take(n, field);
        const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
        return {first, first + bytes.size()};
    }
    static void check_side(std::size_t side, const std::string& path) {
        if (side == 0 || side > 4096)
            nibble::fail("\"" + path + "\": images with a side of " + std::to_string(side) +
                         ", expected 1 to 4096");
    }

    static void read_idx(Images& to, nibble::Cursor& cursor, const std::string& path) {
        (void)big_endian(cursor, "magic number");
        const std::size_t n = big_endian(cursor, "count");
        to.height = big_endian(cursor, "rows");
        to.width = big_endian(cursor, "columns");
        check_side(to.height, path);
        check_side(to.width, path);
        to.pixels = take(cursor, std::uint64_t{n} * to.height * to.width, "pixels");

        std::string beside = path;
        for (const auto& [from, into] : {std::pair{"images", "labels"}, {"idx3", "idx1"}})
            if (const std::size_t at = beside.rfind(from); at != std::string::npos)
                beside.replace(at, std::string_view(from).size(), into);
        if (beside == path)
            nibble::fail("\"" + path +
                         "\": the name of an IDX file of images holds \"images\"; the "
                         "labels are looked for under the same name with \"labels\"");
        const std::string text = contents(beside);
        nibble::Cursor labels(bytes_of(text), "\"" + beside + "\"");
        if (big_endian(labels, "magic number") != 0x801 || big_endian(labels, "count") != n)
            nibble::fail("\"" + beside + "\": not an IDX file of " + std::to_string(n) + " labels");
        to.labels = take(labels, n, "labels");
    }

    static void read_own(Images& to, nibble::Cursor& cursor) {
        (void)cursor.take(8, "magic");
        const auto n = cursor.integer<std::uint32_t>("count");
        to.width = cursor.integer<std::uint32_t>("width");
        to.height = cursor.integer<std::uint32_t>("height");
        to.white = cursor.integer<std::uint32_t>("white");
        check_side(to.width, "width");
        check_side(to.height, "height");
        if (to.white == 0) nibble::fail("a data set whose white is 0");
        to.labels = take(cursor, n, "labels");
        to.pixels = take(cursor, std::uint64_t{n} * to.width * to.height, "pixels");
    }

    static void read_lines(Images& to, const std::string& text, const std::string& path) {
        std::size_t columns = 0, line = 0;
        unsigned highest = 0;
        for (std::size_t at = 0; at < text.size(); ++line) {
            std::vector<std::uint8_t> row;
            const std::size_t end = std::min(text.find('\n', at), text.size());
            while (at < end) {
                unsigned x = 256;
                const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, x);
                at = static_cast<std::size_t>(stop - text.data());
                const bool clean = at == end || text[at] == ',' || text[at] == '\r';
                if (error != std::errc{} || x > 255 || !clean)
                    nibble::fail("\"" + path + "\" line " + std::to_string(line + 1) +
                                 ": expected numbers from 0 to 255 with commas between");
                row.push_back(static_cast<std::uint8_t>(x));
                at += text[std::min(at, end - 1)] == '\r' ? 2 : 1;
            }
            at = end + 1;
            if (row.empty()) continue;
            if (columns == 0) columns = row.size();
            if (row.size() != columns || columns < 2)
                nibble::fail("\"" + path + "\" line " + std::to_string(line + 1) + ": " +
                             std::to_string(row.size()) + " numbers, expected " +
                             std::to_string(std::max(columns, std::size_t{2})));
            to.labels.push_back(row.back());
            row.pop_back();
            for (const std::uint8_t x : row) highest = std::max(highest, unsigned{x});
            to.pixels.insert(to.pixels.end(), row.begin(), row.end());
        }
        if (columns == 0) return;
        // A square where the number of pixels is one; a strip otherwise.
        to.width = columns - 1;
        to.height = 1;
        for (std::size_t side = 2; side * side <= columns - 1; ++side)
            if (side * side == columns - 1) to.width = to.height = side;
        to.white = highest <= 16 ? 16 : 255;
    }

    std::shared_ptr<const Images> images_;
    Range<Example> examples_;
};
