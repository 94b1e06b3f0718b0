// A language model of any kind and precision behind one interface, for programs that choose at run time.
// Each precision is compiled in a file of its own (precision_*.cpp).
#pragma once

#include <nibble/io/tokenizer.hpp>
#include <nibble/model/generate.hpp>

#include <functional>
#include <memory>
#include <string>

namespace examples {

class LanguageModel {
public:
    LanguageModel() = default;
    LanguageModel(const LanguageModel&) = delete;
    LanguageModel& operator=(const LanguageModel&) = delete;
    virtual ~LanguageModel() = default;
    virtual std::size_t context() const = 0;
    virtual std::size_t vocabulary() const = 0;
    virtual std::size_t weights() const = 0;
    virtual std::size_t bytes() const = 0;
    virtual nibble::KvSequenceConfig kv() const = 0;
    /// Goes on from the prompt; see nibble::generate. Gives the bytes of keys and values at the end.
    virtual std::size_t generate(nibble::Host& on, nibble::KvSequence<> sequence,
                                 std::span<const std::int32_t> prompt, const nibble::Sampling& how,
                                 const std::function<bool(std::int32_t)>& on_token) const = 0;
    /// Reads tokens into the sequence: logits of what follows each.
    virtual nibble::Tensor<float> read(nibble::Host& on, nibble::KvSequence<>& sequence,
                                       std::span<const std::int32_t> ids) const = 0;
};

/// The names of the precisions of weights.
inline constexpr const char* precision_names[] = {"fp32", "bf16", "int8", "int4"};

/// Loads the model of a file, folder or checkpoint in a precision by its name. Throws for what is none.
std::unique_ptr<LanguageModel> load_language_model(nibble::Host& on, const std::string& path,
                                                   const std::string& precision);

/// A sequence in a format by its name ("fp32", "fp16", "bf16", "fp8", "int8", "int4"). Throws for others.
nibble::KvSequence<> make_sequence(const std::string& format, const nibble::KvSequenceConfig& c);

/// The tokenizer at `path`; with an empty path the one that belongs to a model, in or beside its file.
nibble::Tokenizer tokenizer_for(const std::string& path, const std::string& model_path,
                                std::size_t vocabulary);

}  // namespace examples
