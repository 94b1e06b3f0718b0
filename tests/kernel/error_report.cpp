// The error report against a plain double loop, and its counts.
#include <doctest/doctest.h>

#include <nibble/kernel/error_report.hpp>

#include "support/values.hpp"

#include <numeric>
#include <string>

using namespace nibble;

TEST_CASE_TEMPLATE("the report says what a plain loop finds", F, Grouped<Int4Value, 32>,
                   PerRow<Int8Value, half, Offset::stored>, PerTensor<fp8_e4m3>, bfloat16) {
    Host on(2);
    Tensor<float> w({9, 160});
    Random random(3);
    for (std::size_t r = 0; r < 9; ++r)
        for (std::size_t k = 0; k < 160; ++k) w(r, k) = static_cast<float>(test::normal(random));
    Matrix<F> q(9, 160);
    const Clipped clipped = quantize(on, w.view(), q);
    const ErrorReport report = quantization_error(on, w.view(), q);
    double squared = 0, signal = 0, most = 0;
    for (std::size_t r = 0; r < 9; ++r)
        for (std::size_t k = 0; k < 160; ++k) {
            const double e = static_cast<double>(w(r, k)) - static_cast<double>(q(r, k));
            squared += e * e;
            signal += static_cast<double>(w(r, k)) * static_cast<double>(w(r, k));
            most = std::max(most, std::abs(e));
        }
    CHECK(report.count == 9 * 160);
    CHECK(report.clipped == clipped.saturated);
    CHECK(report.nan == 0);
    CHECK(report.mse == doctest::Approx(squared / (9 * 160)).epsilon(1e-5));
    CHECK(report.sqnr_db == doctest::Approx(10 * std::log10(signal / squared)).epsilon(1e-5));
    CHECK(report.max_error == doctest::Approx(most).epsilon(1e-5));
    CHECK(report.bits_per_weight == 8.0 * static_cast<double>(q.bytes()) / (9 * 160));
    CHECK(std::accumulate(report.histogram.begin(), report.histogram.end(), std::size_t{0}) ==
          report.count);
    // Errors gather around zero and none of them is far out.
    CHECK(report.bin_width == doctest::Approx(std::sqrt(report.mse) / 4));
    CHECK(report.histogram[20] > report.histogram[0]);
    Host alone(1);
    const ErrorReport same = quantization_error(alone, w.view(), q);
    CHECK(same.mse == report.mse);
    CHECK(same.histogram == report.histogram);
}

TEST_CASE("no error, no signal, numbers that are none") {
    Host on(1);
    Tensor<float> w({2, 64});
    Matrix<Grouped<Int4Value, 32>> q(2, 64);
    const ErrorReport empty = quantization_error(on, w.view(), q);
    CHECK(empty.sqnr_db == 0);
    CHECK(empty.histogram[20] == 128);
    for (std::size_t k = 0; k < 64; ++k) w(0, k) = static_cast<float>(k % 8) - 8.0f;
    quantize(on, w.view(), q);
    CHECK(quantization_error(on, w.view(), q).sqnr_db == std::numeric_limits<double>::infinity());
    w(1, 0) = std::numeric_limits<float>::quiet_NaN();
    w(1, 1) = std::numeric_limits<float>::infinity();
    const Clipped clipped = quantize(on, w.view(), q);
    const ErrorReport report = quantization_error(on, w.view(), q);
    CHECK(clipped == Clipped{1, 1});
    CHECK(report.nan == 1);
    CHECK(report.clipped == 1);
    CHECK(report.count == 126);
    CHECK(std::isfinite(report.mse));
    CHECK(to_string(report).find("clipped 1 of 126, NaN 1") != std::string::npos);
    const Matrix<float> none;
    CHECK(quantization_error(on, View<const float>{}, none).count == 0);
}

TEST_CASE("a number beyond the range of a bare value is an infinite error") {
    Host on(1);
    Tensor<float> w({1, 64});
    w(0, 0) = 1e6f;
    w(0, 1) = -1e6f;
    Matrix<half> q(1, 64);
    const Clipped clipped = quantize(on, w.view(), q);
    const ErrorReport report = quantization_error(on, w.view(), q);
    CHECK(report.clipped == clipped.saturated);
    CHECK(report.clipped == 2);
    CHECK(report.max_error == std::numeric_limits<double>::infinity());
    // The errors are w minus infinity, and the other way round.
    CHECK(report.histogram.front() == 1);
    CHECK(report.histogram.back() == 1);
    CHECK(report.histogram[20] == 62);
}
