// SPDX-License-Identifier: BSL-1.0
// The body of a training loop: forward, loss, backward, clip, step.
#pragma once

#include <nibble/layer/layer.hpp>
#include <nibble/optim/schedule.hpp>

namespace nibble::inline NIBBLE_ARCH {

struct TrainerOptions {
    float clip_norm = 0.0f;  ///< gradients are scaled down to this norm, and left out when it is
                             ///< not finite (see skipped()); 0: never
    std::size_t accumulate = 1;  ///< batches whose gradients are averaged into one update
};

/// Trains `net` with `optimizer`. A batch has members `input` (what net.forward takes) and `target`
/// (what the loss takes); Loss is called as loss(on, output, target, gradient of output) and returns
/// the mean loss. Everything is held by reference but the gradient.
template <class On, class Net, class Optimizer, class Loss>
class Trainer {
public:
    Trainer(On& on, Net& net, Optimizer& optimizer, Loss loss, TrainerOptions chosen = {})
        : options(chosen),
          on_(&on),
          net_(&net),
          optimizer_(&optimizer),
          loss_(loss),
          gradient_(zeros_like<rebind_t<Net, float>>(net)) {
        if (chosen.accumulate == 0) fail("Trainer: accumulate is 0, expected at least 1");
    }

    TrainerOptions options;

    /// One batch: its mean loss. Weights change after every `accumulate` batches. Layers that draw
    /// random numbers draw others at each batch.
    template <class Batch>
    float step(const Batch& batch) {
        begin_step(*net_, (optimizer_->steps() + skipped_) * options.accumulate + pending_);
        typename Net::Saved saved;
        auto output = net_->forward(*on_, batch.input, &saved);
        Tensor<float> slope = Tensor<float>::uninitialized(output.shape());
        const float loss = static_cast<float>(loss_(*on_, output, batch.target, slope));
        static_cast<void>(net_->backward(*on_, saved, std::move(slope), gradient_));
        if (++pending_ >= options.accumulate) update();
        return loss;
    }

    /// step() with the schedule's rate for the update it leads to.
    template <class Batch, class Schedule>
    float step(const Batch& batch, const Schedule& schedule) {
        optimizer_->options.rate = schedule(optimizer_->steps());
        return step(batch);
    }

    /// The mean loss of a batch; nothing is learnt.
    template <class Batch>
    [[nodiscard]] float evaluate(const Batch& batch) const {
        auto output = net_->forward(*on_, batch.input);
        Tensor<float> slope = Tensor<float>::uninitialized(output.shape());
        return static_cast<float>(loss_(*on_, output, batch.target, slope));
    }

    /// Updates made so far.
    [[nodiscard]] int steps() const noexcept { return static_cast<int>(optimizer_->steps()); }
    /// The norm of the last update's gradient, before clipping; 0 when nothing is clipped.
    [[nodiscard]] double last_norm() const noexcept { return norm_; }
    /// Updates left out because their gradient was not finite; counted while gradients are clipped.
    [[nodiscard]] std::size_t skipped() const noexcept { return skipped_; }
    [[nodiscard]] rebind_t<Net, float>& gradient() noexcept { return gradient_; }

private:
    void update() {
        float scale = 1.0f / static_cast<float>(pending_);
        norm_ = 0;
        if (options.clip_norm > 0) {
            norm_ = gradient_norm(*on_, gradient_) * static_cast<double>(scale);
            scale *= clip_factor(norm_, options.clip_norm);
        }
        // One such update would leave nothing of the weights: integers store NaN as 0.
        if (std::isfinite(norm_)) optimizer_->step(*on_, *net_, gradient_, scale);
        else ++skipped_;
        for_each_parameter([](const std::string&, auto& g) { clear(g); }, gradient_);
        pending_ = 0;
    }
    static void clear(Tensor<float>& g) { g.clear(); }
    template <class Memory>
    static void clear(Matrix<float, Memory>& g) {
        g.codes().clear();
    }

    On* on_;
    Net* net_;
    Optimizer* optimizer_;
    Loss loss_;
    rebind_t<Net, float> gradient_;
    std::size_t pending_ = 0;
    std::size_t skipped_ = 0;
    double norm_ = 0;
};

}  // namespace nibble
