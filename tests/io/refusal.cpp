// What a reader takes while it refuses a file: at most twice the file and 1 MiB, whatever the file claims
// and however far the reader comes. Counted as the sum of all requests, which no peak passes.
#include <nibble/io/gguf.hpp>
#include <nibble/io/llama2c.hpp>
#include <nibble/io/npz.hpp>
#include <nibble/io/safetensors.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/gguf_text.hpp"
#include "support/temporary.hpp"

using namespace nibble;
using test::text;
using test::u32;
using test::u64;

namespace {

template <class File>
void refused(const std::string& bytes, std::string_view because) {
    const auto span = std::as_bytes(std::span(bytes.data(), bytes.size()));
    const std::size_t before = support::allocated_bytes();
    const std::string message = test::message_of([&] { (void)File::from_bytes(span, "f"); });
    const std::size_t taken = support::allocated_bytes() - before;
    INFO(message);
    CHECK(test::contains(message, because));
    CHECK(taken <= 2 * bytes.size() + (1u << 20));
}

std::string sized(const std::string& json) { return u64(json.size()) + json; }
std::string many(int count, const std::string& entry) {
    std::string json = "{";
    for (int i = 0; i < count; ++i) json += (i == 0 ? "\"" : ",\"") + std::to_string(i) + entry;
    return json;
}

}  // namespace

TEST_CASE("safetensors") {
    const std::string none = R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    refused<SafetensorsFile>(sized(many(30000, none) + R"(,"x":1})"), "unexpected number 1");
    refused<SafetensorsFile>(sized(many(30000, none) + "}") + "x", "after the last tensor");
    refused<SafetensorsFile>(sized(many(30000, none) + ",\"7" + none + "}"), "tensor \"7\" twice");
    refused<SafetensorsFile>(sized("{\"__metadata__\":" + many(100000, R"(":"")") + R"(,"9":""}})"),
                             "key \"9\" twice");
    const std::string digits(1000000, '1'), open(1000000, '[');
    std::string ones = "1";
    for (int i = 0; i < 300000; ++i) ones += ",1";
    refused<SafetensorsFile>(sized(R"({"a":{"shape":[)" + digits + "]}}"), "unexpected number 111");
    refused<SafetensorsFile>(sized(R"({"a":{"shape":[)" + ones + "]}}"), "no \"dtype\"");
    refused<SafetensorsFile>(
        sized(R"({"a":{"dtype":"F4","data_offsets":[0,1],"shape":[)" + ones + "]}}"),
        "and 299985 more extents of F4 is no whole number of bytes");
    refused<SafetensorsFile>(sized("{\"a\":" + open), "unexpected array");
    refused<SafetensorsFile>(sized("{\"" + open), "a string without an end");
}

TEST_CASE("GGUF") {
    std::string pairs, infos;
    for (int i = 0; i < 20000; ++i) {
        pairs += text(std::to_string(i)) + u32(0) + "x";
        infos += text(std::to_string(i)) + u32(0) + u32(24) + u64(0);
    }
    const std::string last = text("7") + u32(0) + "x";
    refused<GgufFile>("GGUF" + u32(3) + u64(0) + u64(20001) + pairs + last, "key \"7\" twice");
    refused<GgufFile>("GGUF" + u32(3) + u64(20000) + u64(0) + infos + std::string(64, 'x'),
                      "begins within");
    std::string strings = text("a") + u32(9) + u32(8) + u64(100000);
    for (int i = 0; i < 100000; ++i) strings += u64(0);
    refused<GgufFile>("GGUF" + u32(3) + u64(0) + u64(2) + strings + std::string(14, '\xFF'),
                      "length of a key");
}

TEST_CASE("llama2.c and NumPy") {
    const std::string head = u32(2) + u32(1) + u32(4096) + u32(1) + u32(1) + u32(1) + u32(1);
    refused<Llama2cFile>(head + std::string(4096 * 104, 'x'), "in its header takes");
    // A member that would be a gigabyte of zeros, and a damaged stream behind a good head.
    std::string zip("PK\3\4", 4);
    zip += std::string(26, '\0');
    refused<NpzFile>(zip + std::string(100000, '\xAA'), "no end of a ZIP directory");
    const std::string extents(60000, '1');
    refused<NpzFile>("\x93NUMPY\1" + std::string("\0\xFF\xFF", 3) + "{'shape': (" + extents +
                         std::string(65535 - 11 - 60000, ' '),
                     "an extent of 2^59 or more");
}
