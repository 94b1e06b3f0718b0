// Memory that runs out at any point of saving or loading: an error, the old file whole, nothing left
// behind, and the next attempt as if nothing had happened.
#include <nibble/model/load.hpp>
#include <nibble/model/save_quantized.hpp>

#include <doctest/doctest.h>

#include <memory>

#include "support/allocation_count.hpp"
#include "support/temporary.hpp"

using namespace nibble;

namespace {

template <Format F>
struct Part {
    Matrix<F> weight{3, 24};
    Tensor<float> bias{Shape{3}};
    template <class Visit, class... L>
    static void parameters(Visit&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
};

/// Refuses the first request of `work`, then the second, ... until it goes through; calls `after` each
/// time. How many were refused.
template <class Work, class After>
std::size_t refuse_each(Work&& work, After&& after) {
    for (std::size_t n = 1; n < 5000; ++n) {
        bool refused = false;
        support::refused = support::allocations() + n;
        try {
            work();
        } catch (const std::bad_alloc&) {
            refused = true;
        } catch (const Error&) {
            refused = true;  // a message about it
        }
        // An exception on its way may itself have met the refused request.
        const bool reached = support::allocations() >= support::refused.load();
        support::refused = 0;
        after(refused);
        if (!reached) return n - 1;
    }
    return 5000;
}

bool counting() {
    const std::size_t before = support::allocations();
    support::refused = before + 1;
    bool refuses = false;
    try {
        std::string(1000, 'x').swap(*std::make_unique<std::string>());
    } catch (const std::bad_alloc&) {
        refuses = true;
    }
    support::refused = 0;
    return refuses;
}

}  // namespace

TEST_CASE("saving and loading without memory") {
    if (!counting()) {
        MESSAGE("skipped: memory is not refused under this sanitizer");
        return;
    }
    test::Temporary folder;
    using Four = Part<Grouped<Int4Value, 8>>;
    Four old, part;
    Host on(1);
    Tensor<float> w(Shape{3, 24});
    for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t k = 0; k < 24; ++k) w(r, k) = float(r) - 0.1f * float(k);
    quantize(on, w.view(), part.weight);
    const std::string path = folder / "m";
    save(old, path);
    const std::string before = test::read_file(path);
    save(part, folder / "n");
    const std::string good = test::read_file(folder / "n");
    std::filesystem::remove(folder / "n");

    const std::size_t saves = refuse_each(
        [&] { save(part, path); },
        [&](bool refused) {
            CHECK(test::read_file(path) == (refused ? before : good));
            CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
        });
    CHECK(saves > 20);
    const std::size_t loads = refuse_each(
        [&] {
            const auto back = load<Four>(path);
            if (back.weight(2, 5) != part.weight(2, 5)) FAIL("another number");
        },
        [](bool) {});
    CHECK(loads > 10);

    // What quantization makes is written by the same rules.
    const Part<float> exact;
    ptq::Outcome outcome;
    outcome.tensors.emplace("weight",
                            ptq::quantize_weight(on, w.view(), nullptr, parse_spec("int3-g8").spec,
                                                 ptq::Method::search));
    save(old, path);
    const std::size_t quantized = refuse_each(
        [&] { save_quantized(exact, outcome, path); },
        [&](bool refused) {
            if (refused) CHECK(test::read_file(path) == before);
            CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
        });
    CHECK(quantized > 20);
    CHECK(load<Four>(path).weight.rows() == 3);
}
