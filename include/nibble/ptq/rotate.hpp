// SPDX-License-Identifier: BSL-1.0
// Rotations that leave a model's function as it was and spread the outliers of single channels over
// many (QuaRot, Ashkboos et al. 2024; QuIP, Chee et al. 2023):
//
//     y = W x = (W Q^T) (Q x),   Q a Hadamard matrix / sqrt(n): orthogonal, entries of one size
//
// between values and output projection, where Q stays within a head; and along the whole residual path
// of a model whose norms have no mean and whose gains have been moved into the weights behind them.
// Everything is folded into the weights: nothing is added to the model.
#pragma once

#include <nibble/ptq/smooth.hpp>

#include <bit>

namespace nibble::inline NIBBLE_ARCH {
namespace ptq {

/// x times the n x n Hadamard matrix divided by sqrt(n), in place; n a power of two. Its own inverse.
inline void hadamard(float* x, std::size_t n, std::size_t stride = 1) noexcept {
    for (std::size_t half = 1; half < n; half *= 2)
        for (std::size_t i = 0; i < n; i += 2 * half)
            for (std::size_t j = i; j < i + half; ++j) {
                const float a = x[j * stride], b = x[(j + half) * stride];
                x[j * stride] = a + b;
                x[(j + half) * stride] = a - b;
            }
    const float by = 1 / std::sqrt(static_cast<float>(n));
    for (std::size_t i = 0; i < n; ++i) x[i * stride] *= by;
}

/// Rotates the channels of every head between values and output projection, where the size of a head is
/// a power of two: outliers of single channels are spread over the head. Gives the links changed.
inline std::size_t rotate_heads(Network& net, Statistics& all) {
    std::size_t changed = 0;
    for (const Link& link : net.links) {
        if (link.head < 2 || !std::has_single_bit(link.head)) continue;
        for (const std::string& name : link.sources) {
            Parameter& p = net.at(name);
            for (std::size_t c = link.first; c < link.first + link.channels; c += link.head)
                if (!p.matrix) hadamard(&p.value(0, c), link.head);
                else
                    for (std::size_t k = 0; k < p.value.cols; ++k)
                        hadamard(&p.value(c, k), link.head, p.value.stride);
        }
        for (const std::string& name : link.users) {
            Parameter& p = net.at(name);
            const auto found = all.find(name);
            for (std::size_t c = 0; c < p.value.cols; c += link.head) {
                for (std::size_t r = 0; r < p.value.rows; ++r) hadamard(&p.value(r, c), link.head);
                if (found == all.end() || found->second.hessian.empty()) continue;
                Tensor<float>& h = found->second.hessian;
                for (std::size_t i = 0; i < h.rows(); ++i) hadamard(&h(i, c), link.head);
                for (std::size_t i = 0; i < h.cols(); ++i)
                    hadamard(&h(c, i), link.head, h.stride());
            }
        }
        ++changed;
    }
    return changed;
}

/// Rotates the residual path, in blocks of the largest power of two that divides its channels. Gains
/// of the norms before it become 1. False, and nothing done, where the network has no such path.
inline bool rotate_residual(Network& net, Statistics& all) {
    const Residual& path = net.residual;
    if (path.tables.empty()) return false;
    for (const Link& link : net.links) {
        if (link.head != 0 || net.at(link.sources.front()).matrix) continue;
        std::vector<float> gain(link.channels);
        for (std::size_t j = 0; j < link.channels; ++j)
            gain[j] = net.at(link.sources.front()).value(0, link.first + j);
        // A gain of zero cannot be moved, and its channel says nothing: the weights do that then.
        for (const std::string& name : link.users)
            for (std::size_t k = 0; k < gain.size(); ++k)
                for (std::size_t r = 0; gain[k] == 0 && r < net.at(name).value.rows; ++r)
                    net.at(name).value(r, k) = 0;
        for (std::size_t j = 0; j < link.channels; ++j)
            if (gain[j] == 0) net.at(link.sources.front()).value(0, link.first + j) = gain[j] = 1;
        scale_link(net, link, gain, all);
    }
    const std::size_t n = net.at(path.tables.front()).value.cols;
    const std::size_t block = n & (~n + 1);
    const auto columns = [&](const std::string& name) {
        const View<float> w = net.at(name).value;
        for (std::size_t r = 0; r < w.rows; ++r)
            for (std::size_t c = 0; c < n; c += block) hadamard(&w(r, c), block);
    };
    const auto squares = [&](Tensor<float>& h) {
        if (h.empty()) return;
        for (std::size_t c = 0; c < n; c += block) {
            for (std::size_t i = 0; i < n; ++i) hadamard(&h(i, c), block);
            for (std::size_t i = 0; i < n; ++i) hadamard(&h(c, i), block, h.stride());
        }
    };
    for (const std::string& name : path.tables) columns(name);
    for (const std::string& name : path.readers) columns(name);
    for (const std::string& name : path.writers) {
        const Parameter& p = net.at(name);
        for (std::size_t c = 0; c < n; c += block)
            if (!p.matrix) hadamard(&p.value(0, c), block);
            else
                for (std::size_t k = 0; k < p.value.cols; ++k)
                    hadamard(&p.value(c, k), block, p.value.stride);
    }
    for (const auto* names : {&path.tables, &path.readers})
        for (const std::string& name : *names) {
            const auto found = all.find(name);
            if (found == all.end()) continue;
            squares(found->second.hessian);
            squares(found->second.lookup);
        }
    return true;
}

}  // namespace ptq
}  // namespace nibble
