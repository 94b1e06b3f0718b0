// A program that uses nibble and knows nothing of its build.
#include <nibble/nibble.hpp>

#include <cstdio>

int main() {
    const nibble::Host on;
    nibble::Matrix<nibble::PerRow<nibble::Int8Value>> w(4, 8);
    nibble::Tensor<float> x(nibble::Shape{1, 8}), y(nibble::Shape{1, 4});
    nibble::matmul(on, w, x, y);

    const auto code = nibble::encode<nibble::Int4Value>(2.6f);
    std::printf("nibble %s: 2.6 is stored as %g\n", NIBBLE_VERSION, double(nibble::decode(code)));
    return nibble::decode(code) == 3.0f && y(0, 0) == 0.0f ? 0 : 1;
}
