// Messages as FEAGI's own crates lay them out.
#include <nibble/io/json.hpp>
#include <nibble/neuro/byte_container.hpp>

#include <doctest/doctest.h>

#include "support/data.hpp"

#include <fstream>

using namespace nibble;
using Bytes = std::vector<unsigned char>;

namespace {

Bytes from_hex(const std::string& hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<unsigned char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}
VoxelFrame frame_of(const Json& areas) {
    VoxelFrame frame;
    for (const auto& [id, voxels] : areas.items()) {
        auto& spikes = frame[cortical_id(id)];
        for (const Json& v : voxels)
            spikes.push_back({v.at(0).get<std::uint32_t>(), v.at(1).get<std::uint32_t>(),
                              v.at(2).get<std::uint32_t>(), v.at(3).get<float>()});
    }
    return frame;
}

}  // namespace

TEST_CASE("containers and structures, byte for byte both ways") {
    std::ifstream in(test::data_file("feagi-vectors.json"));
    const Json group = Json::parse(in).at("serialization");
    std::size_t cases = 0;
    for (const auto& [name, value] : group.items()) {
        if (name == "empty_container_hex") {
            CHECK(write_container({}) == from_hex(value.get<std::string>()));
            CHECK(read_container(from_hex(value.get<std::string>())).structures.empty());
            ++cases;
        }
        if (!value.is_object()) continue;
        const std::string& which = name;
        INFO(which);
        const VoxelFrame frame = frame_of(value.at("areas"));
        const Bytes structure = write_voxels(frame);
        if (value.contains("struct_hex")) {
            const Bytes expected = from_hex(value["struct_hex"].get<std::string>());
            CHECK(structure == expected);
            CHECK(read_voxels(expected) == frame);
            ++cases;
        }
        if (value.contains("hex")) {
            ByteContainer c;
            c.counter = value.at("counter").get<std::uint16_t>();
            c.structures = {structure};
            const Bytes expected = from_hex(value["hex"].get<std::string>());
            CHECK(write_container(c) == expected);
            const ByteContainer back = read_container(expected);
            CHECK(back.counter == c.counter);
            REQUIRE(back.structures.size() == 1);
            CHECK(read_voxels(back.structures[0]) == frame);
            ++cases;
        }
    }
    CHECK(cases >= 3);
}
