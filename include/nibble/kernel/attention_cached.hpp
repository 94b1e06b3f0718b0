// SPDX-License-Identifier: BSL-1.0
// Attention of the latest queries of a sequence over a cache of keys and values in any format: one
// query (decoding), a few (speculative decoding) or a prompt.
//
// Queries that share a key head are rows of one product, so a cached byte is read once for all of
// them. Few rows are multiplied with the codes as they lie; for many, a block is unpacked once for 64
// rows. When there are few rows, runs of blocks have a softmax of their own and are joined in order
// (Dao et al. 2023, "flash-decoding"): threads share a single query, and where the runs are cut
// depends on the shape alone, so results do not depend on the number of threads.
#pragma once

#include <nibble/kernel/attend.hpp>

namespace nibble::inline NIBBLE_ARCH {

/// What attention_cached works on. The last of the queries is position length - 1, which the cache
/// holds already.
struct CachedShape {
    std::size_t heads = 1;    ///< query heads, a multiple of the cache's
    std::size_t queries = 1;  ///< consecutive positions
    std::size_t length = 0;   ///< positions seen so far, those of the queries included
    std::size_t window = 0;   ///< a query sees this many latest positions, its own included; 0: all
    float scale = 0.0f;       ///< of scores; 0: 1 / sqrt(head_size)
};

/// The order in which a cache's slots are visited: position p lies in slot p % capacity, oldest first.
/// A block that holds the ring's seam is visited twice.
class KvWalk {
public:
    /// Where slot 0 of a block would lie in the sequence, and the slots to be visited.
    struct Visit {
        std::size_t block;
        std::ptrdiff_t base;
        SeenRange slots;
    };

    KvWalk(std::size_t capacity, std::size_t length) noexcept
        : capacity_(capacity),
          seam_(length <= capacity ? length : length % capacity),
          lap_(length - seam_),
          older_(length <= capacity ? 0 : (capacity + kv_block - 1) / kv_block - seam_ / kv_block) {
    }

    [[nodiscard]] std::size_t size() const noexcept {
        return older_ + (seam_ + kv_block - 1) / kv_block;
    }
    [[nodiscard]] Visit operator[](std::size_t i) const noexcept {
        const bool old = i < older_;
        const std::size_t block = old ? seam_ / kv_block + i : i - older_;
        const std::size_t first = old && i == 0 ? seam_ % kv_block : 0;
        const std::size_t left = (old ? capacity_ : seam_) - block * kv_block;
        return {block,
                static_cast<std::ptrdiff_t>(lap_ + block * kv_block) -
                    static_cast<std::ptrdiff_t>(old ? capacity_ : 0),
                {static_cast<std::ptrdiff_t>(first),
                 static_cast<std::ptrdiff_t>(left < kv_block ? left : kv_block)}};
    }

private:
    std::size_t capacity_, seam_, lap_, older_;
};

/// A strip as its operands: floats, or words of pairs.
template <class V, class A>
void unpack_strip(const std::byte* from, std::size_t depth, std::byte* to) noexcept {
    using S = Strip<V, A>;
    constexpr std::size_t lanes = S::Operand::lanes;
    auto* const out = reinterpret_cast<std::conditional_t<has_pairs<V>, std::int32_t, float>*>(to);
    for (std::size_t i = 0; i < depth / S::depth; ++i)
        for (std::size_t lane = 0; lane < strip_lanes; lane += lanes) {
            typename S::Operand x[S::operands];
            S::load(from, i, lane, x);
            unroll<S::operands>([&](auto o) NIBBLE_INLINE_LAMBDA {
                x[o].store(out + (i * S::operands + o) * strip_lanes + lane);
            });
        }
}

/// Room for one unpacked block.
template <Format F, class A>
class KvPanel {
public:
    using V = value_of<F>;
    explicit KvPanel(const KvLayout<F>& l)
        : layout_(l),
          bytes_(4 * strip_lanes *
                 (kv_block / strip_lanes * operands(l.depth) + l.slices * operands(kv_block))) {}

    [[nodiscard]] KvBlockView unpacked(KvBlockView b) noexcept {
        std::byte* to = bytes_.data();
        const auto unpack = [&](const std::byte*& from, std::size_t& strip, std::size_t n,
                                std::size_t depth) {
            const std::byte* const first = to;
            const std::size_t size = 4 * strip_lanes * operands(depth);
            for (std::size_t i = 0; i < n; ++i, to += size)
                unpack_strip<V, A>(from + i * strip, depth, to);
            from = first;
            strip = size;
        };
        unpack(b.keys, b.key_strip, kv_block / strip_lanes, layout_.depth);
        unpack(b.values, b.value_strip, layout_.slices, kv_block);
        return b;
    }

private:
    static constexpr std::size_t operands(std::size_t depth) noexcept {
        return has_pairs<V> ? depth / 2 : depth;
    }
    KvLayout<F> layout_;
    Buffer<std::byte> bytes_;
};

/// Joins parts [n][rows * (width + 2)] (sums, then tops, then totals) of one row: out gets n numbers.
template <class A>
void join_parts(const float* parts, std::size_t n, std::size_t rows, std::size_t width,
                std::size_t row, float* out, std::size_t cols) noexcept {
    using B = Batch<float, A>;
    const std::size_t part = rows * (width + 2);
    const float* const tops = parts + rows * width + row;
    const float* const totals = tops + rows;
    float top = tops[0];
    for (std::size_t i = 1; i < n; ++i) top = tops[i * part] > top ? tops[i * part] : top;
    const bool any = top > -std::numeric_limits<float>::infinity();
    B total(0.0f);
    for (std::size_t i = 0; i < n; ++i)
        total = fma(any ? exp(B(tops[i * part] - top)) : B(1.0f), B(totals[i * part]), total);
    for (std::size_t d = 0; d < cols; d += B::lanes) {
        B sum(0.0f);
        for (std::size_t i = 0; i < n; ++i)
            sum = fma(any ? exp(B(tops[i * part] - top)) : B(1.0f),
                      B::load(parts + i * part + row * width + d), sum);
        store_part(sum / total, out + d, cols - d, false);
    }
}

/// out = attention of q [queries, heads * head_size] over the cache, whose slot p % capacity holds
/// position p for the last `capacity` positions. Each query sees positions up to its own.
template <class A, Format F, class Memory>
void attention_cached(const BasicHost<A>& on, const CachedShape& s, View<const float> q,
                      const KvStore<F, Memory>& cache, View<float> out) {
    using V = value_of<F>;
    using Unpacked =
        std::conditional_t<has_pairs<V>, PairWord, std::conditional_t<bits_v<V> == 32, V, float>>;
    constexpr std::size_t lanes = Batch<float, A>::lanes;
    constexpr std::size_t narrow = (strip_lanes + lanes - 1) / lanes;
    using Direct = Attend<F, V, A, narrow>;
    using Wide = Attend<F, Unpacked, A, lanes == 16 ? 2 : narrow>;
    const KvShape& kv = cache.shape();
    const KvLayout<F>& layout = cache.layout();
    const char* const name = "attention_cached";
    if (kv.heads == 0 || s.heads % kv.heads != 0)
        fail(std::string(name) + ": " + std::to_string(s.heads) + " heads are not a multiple of " +
             std::to_string(kv.heads) + " key heads");
    const std::size_t head_size = kv.head_size, group = s.heads / kv.heads;
    expect_shape(q, s.queries, s.heads * head_size, name, "q");
    expect_shape(out, s.queries, s.heads * head_size, name, "the output");
    if (s.queries > s.length || s.queries > kv.capacity)
        fail(std::string(name) + ": " + std::to_string(s.queries) + " queries at the end of " +
             std::to_string(s.length) + " positions in a cache of " + std::to_string(kv.capacity));
    if (q.empty()) return;
    const float factor =
        s.scale != 0.0f ? s.scale : 1.0f / std::sqrt(static_cast<float>(head_size));

    const auto sees = [&](std::size_t query) {
        const std::size_t end = s.length - s.queries + query + 1;
        std::size_t first = s.length > kv.capacity ? s.length - kv.capacity : 0;
        if (s.window != 0 && end > s.window && end - s.window > first) first = end - s.window;
        return SeenRange{static_cast<std::ptrdiff_t>(first), static_cast<std::ptrdiff_t>(end)};
    };
    const KvWalk walk(kv.capacity, s.length);
    // Visits that the first query's window leaves out.
    std::size_t skipped = 0;
    while (walk[skipped].base + walk[skipped].slots.end <= sees(0).first) ++skipped;

    const std::size_t rows = s.queries * group;
    const std::size_t per_tile = rows <= 32 ? s.queries : group >= 64 ? 1 : 64 / group;  // queries
    const std::size_t tiles = (s.queries + per_tile - 1) / per_tile;
    const std::size_t most_rows = per_tile * group;
    const std::size_t visits = walk.size() - skipped;
    const std::size_t run = tiles != 1 ? visits : visits < 8 * 32 ? 8 : (visits + 31) / 32;
    const std::size_t parts = (visits + run - 1) / run;
    const std::size_t width = layout.slices * strip_lanes;
    Tensor<float> joined;
    if (parts > 1)
        joined = Tensor<float>::uninitialized(Shape{kv.heads, parts * rows * (width + 2)});

    const auto work = [&](auto& attend, auto&& view, std::size_t first, std::size_t end) {
        std::size_t taken = kv.heads * tiles;
        for (std::size_t item = first; item < end; ++item) {
            const std::size_t part = item % parts, tile = item / parts % tiles;
            const std::size_t head = item / parts / tiles, q0 = tile * per_tile;
            const std::size_t n = s.queries - q0 < per_tile ? s.queries - q0 : per_tile;
            if (taken != item / parts) {
                attend.begin(
                    n * group, factor,
                    [&](std::size_t r) {
                        return q.row(q0 + r / group) + (head * group + r % group) * head_size;
                    },
                    [&](std::size_t r) { return sees(q0 + r / group); });
                taken = item / parts;
            } else {
                attend.reset();
            }
            const std::size_t last = (part + 1) * run < visits ? (part + 1) * run : visits;
            for (std::size_t i = part * run; i < last; ++i) {
                const KvWalk::Visit visit = walk[skipped + i];
                if (visit.base >= sees(q0 + n - 1).end ||
                    visit.base + visit.slots.end <= sees(q0).first)
                    continue;
                attend.visit(view(cache.block(head, visit.block)), visit.base, visit.slots);
            }
            for (std::size_t r = 0; r < n * group; ++r)
                if (parts == 1) {
                    attend.write(r,
                                 out.row(q0 + r / group) + (head * group + r % group) * head_size);
                } else {
                    float* const to =
                        joined.data() + head * joined.stride() + part * rows * (width + 2);
                    std::memcpy(to + r * width, attend.sums + r * width, width * sizeof(float));
                    to[rows * width + r] = attend.top[r];
                    to[rows * (width + 1) + r] = attend.total[r];
                }
        }
    };
    const std::size_t grain = (std::size_t{1} << 19) / (run * kv_block * most_rows * width) + 1;
    on.parallel_for(kv.heads * tiles * parts, grain, [&](std::size_t first, std::size_t end) {
        if (rows <= 2 * attend_rows<A>) {
            Direct attend(layout, most_rows);
            work(
                attend, [&](const std::byte* b) { return block_view(layout, b); }, first, end);
        } else {
            Wide attend(layout, most_rows);
            if constexpr (std::is_same_v<Unpacked, V>) {
                work(
                    attend, [&](const std::byte* b) { return block_view(layout, b); }, first, end);
            } else {
                KvPanel<F, A> panel(layout);
                work(
                    attend,
                    [&](const std::byte* b) { return panel.unpacked(block_view(layout, b)); },
                    first, end);
            }
        }
    });
    if (parts > 1)
        on.parallel_for(s.heads * s.queries, 65536 / (parts * width) + 1,
                        [&](std::size_t first, std::size_t end) {
                            for (std::size_t i = first; i < end; ++i) {
                                const std::size_t head = i / rows, r = i % rows;
                                join_parts<A>(
                                    joined.data() + head * joined.stride(), parts, rows, width, r,
                                    out.row(r / group) + (head * group + r % group) * head_size,
                                    head_size);
                            }
                        });
    for (std::size_t t = 0; t < s.queries; ++t) clear_padding<A>(out, t);
}

}  // namespace nibble
