// Nets of fixed sizes as a microcontroller has them: in static memory, no heap, no exceptions, no RTTI.
#include <nibble/fixed/activation.hpp>
#include <nibble/fixed/chain.hpp>
#include <nibble/fixed/conv1d.hpp>
#include <nibble/fixed/gru.hpp>
#include <nibble/fixed/lstm.hpp>
#include <nibble/fixed/parameters.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "this file is built with -fno-exceptions -fno-rtti"
#endif

// The heap is not there.
void* operator new(std::size_t) { std::abort(); }
void* operator new[](std::size_t) { std::abort(); }
void operator delete(void*) noexcept {}
void operator delete[](void*) noexcept {}
void operator delete(void*, std::size_t) noexcept {}
void operator delete[](void*, std::size_t) noexcept {}

using namespace nibble;

namespace {

fixed::Chain<fixed::Conv1d<PerRow<Int8Value>, 2, 8, 3>, fixed::Relu, fixed::Gru<half, 8, 12>,
             fixed::Linear<W8A8, 12, 8>, fixed::Tanh, fixed::Lstm<Grouped<Int4Value, 8>, 8, 8>,
             fixed::Linear<float, 8, 1>>
    net;

// Weights in 4 bits take half a byte each: 32 rows of 8 + 8.
static_assert(sizeof(fixed::Lstm<PerRow<Int4Value>, 8, 8>::weight_ih) <= 32 * 8 / 2 + 64);

void fill() {
    std::uint32_t state = 1;
    const auto draw = [&] {
        state = state * 1664525u + 1013904223u;
        return static_cast<float>(static_cast<double>(state >> 8) / 8388608.0 - 1);
    };
    fixed::for_each_parameter(
        [&](const char*, auto& p) {
            using T = std::remove_reference_t<decltype(p)>;
            if constexpr (fixed::is_bias<T>) {
                for (std::size_t r = 0; r < p.size(); ++r) p[r] = draw();
            } else {
                float row[T::cols()];
                for (std::size_t r = 0; r < T::rows(); ++r) {
                    for (float& x : row) x = draw();
                    p.set_row(r, row);
                }
            }
        },
        net);
}

float run() {
    net.reset();
    float last = 0.0f;
    for (int t = 0; t < 100; ++t) {
        const float x[2] = {t % 7 < 3 ? 0.5f : -0.5f, t % 5 < 2 ? 0.25f : -0.75f};
        last = net.forward(decltype(net)::Input(x))[0];
    }
    return last;
}

}  // namespace

int main() {
    fill();
    const float first = run(), second = run();
    std::printf("%.6f\n", static_cast<double>(first));
    // A net without a heap that gives a number, and the same one after a reset.
    return first == second && std::isfinite(first) && first != 0.0f ? 0 : 1;
}
