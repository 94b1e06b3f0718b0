// What every precision's file does: the model of a file in that precision.
#pragma once

#include "model.hpp"

#include <nibble/model/open.hpp>

namespace examples {

template <class Model>
class LoadedModel final : public LanguageModel {
public:
    explicit LoadedModel(Model model) : model_(std::move(model)) {}
    std::size_t context() const override { return model_.config.context; }
    std::size_t vocabulary() const override { return model_.config.vocabulary; }
    std::size_t weights() const override { return nibble::parameter_count(model_); }
    std::size_t bytes() const override { return nibble::parameter_bytes(model_); }
    nibble::KvSequenceConfig kv() const override { return model_.kv_config(); }
    std::size_t generate(nibble::Host& on, nibble::KvSequence<> sequence,
                         std::span<const std::int32_t> prompt, const nibble::Sampling& how,
                         const std::function<bool(std::int32_t)>& on_token) const override {
        nibble::Session<Model> session(model_, std::move(sequence));
        nibble::generate(on, session, prompt, how, on_token);
        return session.bytes();
    }
    nibble::Tensor<float> read(nibble::Host& on, nibble::KvSequence<>& sequence,
                               std::span<const std::int32_t> ids) const override {
        const nibble::KvPart<> part{&sequence, ids.size()};
        return model_.logits(on, model_.hidden(on, ids, std::span(&part, 1)));
    }

private:
    Model model_;
};

template <class P>
std::unique_ptr<LanguageModel> load_in(nibble::Host& on, const nibble::ModelFile& file) {
    using namespace nibble;
    if (file.kind() == ModelKind::gpt2)
        return std::make_unique<LoadedModel<Gpt2<P>>>(file.load<Gpt2<P>>(on));
    return std::make_unique<LoadedModel<Llama<P>>>(file.load<Llama<P>>(on));
}

std::unique_ptr<LanguageModel> load_fp32(nibble::Host& on, const nibble::ModelFile& file);
std::unique_ptr<LanguageModel> load_bf16(nibble::Host& on, const nibble::ModelFile& file);
std::unique_ptr<LanguageModel> load_int8(nibble::Host& on, const nibble::ModelFile& file);
std::unique_ptr<LanguageModel> load_int4(nibble::Host& on, const nibble::ModelFile& file);

}  // namespace examples
