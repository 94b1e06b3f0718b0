// Fuzzing of the safetensors reader and of loading a model: any bytes are refused with an Error or
// read; nothing crashes, hangs, or takes memory that the file does not pay for.
//
//     CXX=clang++ cmake -S . -B build/fuzz -D NIBBLE_BUILD_FUZZERS=ON
//     cmake --build build/fuzz --target fuzz_safetensors
//     mkdir -p work && build/fuzz/tests/fuzz/fuzz_safetensors work tests/fuzz/corpus/safetensors
//         -dict=tests/fuzz/safetensors.dict -max_total_time=60
#include <nibble/model/load.hpp>

#include <cstdlib>
#include <vector>

using namespace nibble;

namespace {

struct NetConfig {
    std::size_t in = 0, out = 0;
    template <class F, class... C>
    static void fields(F&& f, C&... c) {
        f("in", c.in...);
        f("out", c.out...);
    }
    double weights() const { return double(in) * double(out); }
};

template <class P>
struct Net {
    static constexpr const char* name = "net";
    Matrix<weight_t<P>> weight;
    Tensor<float> bias;
    NetConfig config;
    Net() = default;
    explicit Net(NetConfig c) : weight(c.out, c.in), bias(Shape{c.out}), config(c) {}
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
};

/// The same without a configuration: its sizes are the file's.
template <class P>
struct Loose {
    Matrix<weight_t<P>> weight;
    Tensor<float> bias;
    template <class F, class... L>
    static void parameters(F&& f, L&... l) {
        f("weight", l.weight...);
        f("bias", l.bias...);
    }
};

template <class M>
void try_load(const SafetensorsFile& file) {
    LoadOptions options;
    options.verify = false;  // random bytes never get past a checksum
    try {
        (void)load<M>(file, options);
    } catch (const Error&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = std::as_bytes(std::span(data, size));
    try {
        const auto file = SafetensorsFile::from_bytes(bytes, "input");
        // What is accepted is JSON by another reader's judgement too.
        const auto length = static_cast<std::size_t>(load_little<std::uint64_t>(bytes.data()));
        if (!Json::accept(data + 8, data + 8 + length)) std::abort();
        std::uint64_t at = 0;
        for (const FileTensor& t : file.tensors()) {
            // What the reader promises: tensors touch, lie in the file, and are found by name.
            if (t.begin != at || t.end > size || file.find(t.name) != &t) std::abort();
            at = t.end;
            if (t.size() > size * 8) continue;  // no bytes, so nothing to convert
            std::vector<float> out(static_cast<std::size_t>(t.size()));
            (void)to_floats(t.dtype, file.bytes(t).data(), out.size(), out.data());
        }
        try_load<Net<float>>(file);
        try_load<Net<Grouped<Int4Value, 8>>>(file);
        try_load<Loose<PerRow<Ternary, float, Offset::stored>>>(file);
        if (file.has_checksum()) file.verify();
    } catch (const Error&) {
    }
    return 0;
}
