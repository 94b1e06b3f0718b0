// The tour as its user meets it: a quick run whose figures and page are read back, and bad options.
// NIBBLE_PRECISION_TOUR is the program's path.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string read(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Outcome {
    int status;
    std::string out, error;
};

// A folder of its own, gone afterwards.
struct Folder {
    fs::path path;
    Folder() {
        static int count = 0;
        path = fs::temp_directory_path() /
               ("nibble-tour-" + std::to_string(std::hash<std::string>{}(NIBBLE_PRECISION_TOUR)) +
                "-" + std::to_string(++count));
        fs::remove_all(path);
        fs::create_directories(path);
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    [[nodiscard]] std::string file(const char* name) const { return (path / name).string(); }
    [[nodiscard]] Outcome run(const std::string& arguments) const {
        const std::string command = "cd \"" + path.string() +
                                    "\" && \"" NIBBLE_PRECISION_TOUR "\" " + arguments +
                                    " > out.txt 2> error.txt";
        int status = std::system(command.c_str());
#if !defined(_WIN32)
        status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
#endif
        return {status, read(path / "out.txt"), read(path / "error.txt")};
    }
};

const json& result(const json& list, const std::string& precision) {
    for (const json& r : list)
        if (r.at("precision") == precision) return r;
    FAIL("no result for " << precision);
    return list;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
        ++n;
    return n;
}

// The page but for what the models wrote, which may be anything.
std::string without_samples(std::string page) {
    for (std::size_t at = 0; (at = page.find("<pre>", at)) != std::string::npos;) {
        at += 5;
        page.erase(at, page.find("</pre>", at) - at);
    }
    return page;
}

}  // namespace

TEST_CASE("a quick tour: every precision learns, and the figures say what they should") {
    const Folder folder;
    const Outcome tour = folder.run("--quick --json figures.json");
    INFO(tour.error);
    REQUIRE(tour.status == 0);
    CHECK(tour.error.empty());
    const json figures = json::parse(read(folder.path / "figures.json"));
    CHECK(figures.at("settings").at("seed") == 1337);
    CHECK(figures.at("settings").at("quick") == true);
    CHECK(figures.at("machine").at("threads").get<int>() >= 1);

    const json& language = figures.at("language");
    CHECK(language.size() == 7);
    for (const json& r : language) {
        INFO(r.at("precision").get<std::string>());
        CHECK(r.at("validation_loss").get<double>() < 0.75 * r.at("initial_loss").get<double>());
        CHECK(r.at("accuracy").get<double>() > 0.1);
        CHECK(r.at("train_losses").size() == figures.at("settings").at("steps").get<std::size_t>());
        CHECK(r.at("sample").get<std::string>().size() >= 100);
        CHECK(r.at("train_tokens_per_second").get<double>() > 0);
        CHECK(r.at("generate_tokens_per_second").get<double>() > 0);
        double mass = r.at("weight_error").at("exact").get<double>();
        for (const json& share : r.at("weight_error").at("histogram")) mass += share.get<double>();
        CHECK(mass == doctest::Approx(1.0));
        // Four bits clip a few on purpose: the rest gain more than those lose.
        CHECK(r.at("weight_error").at("clipped").get<double>() <
              0.03 * r.at("parameters").get<double>());
    }
    const auto share = [&](const char* p) {
        return result(language, p).at("accuracy_share").get<double>();
    };
    CHECK(share("fp32") == 1.0);
    CHECK(share("bf16") > 0.9);
    CHECK(share("fp16") > 0.9);
    CHECK(share("fp8") > 0.8);
    CHECK(share("int8") > 0.9);
    CHECK(share("int4") > 0.8);
    CHECK(share("mixed") > 0.8);
    // Not all alike: an INT4 network that behaves as FP32 to the last digit was not INT4.
    CHECK(result(language, "int4").at("train_losses") !=
          result(language, "fp32").at("train_losses"));

    const auto bytes = [&](const char* p, const char* what) {
        return result(language, p).at(what).get<double>();
    };
    CHECK(bytes("fp16", "weight_bytes") < 0.6 * bytes("fp32", "weight_bytes"));
    CHECK(bytes("int8", "weight_bytes") < 0.35 * bytes("fp32", "weight_bytes"));
    CHECK(bytes("int4", "weight_bytes") < 0.25 * bytes("fp32", "weight_bytes"));
    CHECK(bytes("int4", "weight_bytes") < bytes("mixed", "weight_bytes"));
    CHECK(bytes("mixed", "weight_bytes") < bytes("fp16", "weight_bytes"));
    CHECK(bytes("int8", "optimizer_bytes") < 0.35 * bytes("fp32", "optimizer_bytes"));
    const auto sqnr = [&](const char* p) {
        return result(language, p).at("weight_error").at("sqnr_db").get<double>();
    };
    CHECK(result(language, "fp32").at("weight_error").at("exact") == 1.0);
    CHECK(sqnr("fp16") > sqnr("bf16"));
    CHECK(sqnr("bf16") > sqnr("int8"));
    CHECK(sqnr("int8") > sqnr("int4"));
    CHECK(sqnr("int4") > 15);

    const json& spiking = figures.at("spiking");
    CHECK(spiking.size() == 4);
    for (const json& r : spiking) {
        INFO(r.at("precision").get<std::string>());
        CHECK(r.at("neurons").get<int>() >= 2000);
        CHECK(r.at("mean_rate_hz").get<double>() > 1);
        CHECK(r.at("rate_correlation").get<double>() > 0.9);
        CHECK(r.at("rate_error").get<double>() < 0.25);
        CHECK(!r.at("raster").empty());
    }
    CHECK(result(spiking, "fp32").at("rate_error") == 0.0);
    CHECK(result(spiking, "int8").at("bytes_per_neuron").get<double>() <
          result(spiking, "fp16").at("bytes_per_neuron").get<double>());

    for (const char* line : {"FP32", "BF16", "FP16", "FP8", "INT8", "INT4", "mixed", "of FP32",
                             "rate correlation", "bytes/neuron"})
        CHECK(contains(tour.out, line));

    const std::string page = without_samples(read(folder.path / "nibble-demo.html"));
    CHECK(count(page, "<svg viewBox") >= 8);
    CHECK(count(page, "<svg ") == count(page, "</svg>"));
    CHECK(count(page, "<title") == count(page, "</title>"));
    CHECK(contains(page, "prefers-color-scheme: dark"));
    for (const char* outside :
         {"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"})
        CHECK_MESSAGE(!contains(page, outside), outside);
}

TEST_CASE("the same seed gives the same figures on one thread and on two; another seed others") {
    const Folder folder;
    const auto losses = [&](const std::string& arguments) {
        const Outcome tour = folder.run(
            "--steps 6 --quick --precision Int4,FLOAT --html \"\" --json f.json " + arguments);
        REQUIRE_MESSAGE(tour.status == 0, tour.error);
        const json figures = json::parse(read(folder.path / "f.json"));
        CHECK(figures.at("language").size() == 2);
        CHECK(figures.at("language").at(0).at("precision") == "fp32");
        CHECK(figures.at("settings").at("steps") == 6);
        return json{result(figures.at("language"), "int4").at("train_losses"),
                    result(figures.at("language"), "int4").at("sample")};
    };
    const json one = losses("--threads 1");
    CHECK(one == losses("--threads 2"));
    CHECK(one != losses("--threads 2 --seed 7"));
    CHECK(!fs::exists(folder.path / "nibble-demo.html"));
}

TEST_CASE("a text of the user's own, with anything in it") {
    const Folder folder;
    {
        std::ofstream text(folder.path / "my text.txt", std::ios::binary);
        for (int i = 0; i < 400; ++i)
            text << "Zwei gr\xC3\xBC\xC3\x9F"
                    "e <b>&amp;\xFF line "
                 << i << "\r\n";
    }
    const Outcome tour = folder.run(
        "--steps 3 --quick --precision fp16 --text \"my text.txt\" --json f.json --html page.html");
    REQUIRE_MESSAGE(tour.status == 0, tour.error);
    const json figures = json::parse(read(folder.path / "f.json"));
    CHECK(figures.at("text").at("source") == "my text.txt");
    CHECK(figures.at("text").at("rare_characters").get<int>() >= 800);
    CHECK(figures.at("language").at(0).at("accuracy_share").is_null());
    CHECK(!contains(read(folder.path / "page.html"), "<b>&amp;\xFF"));
}

TEST_CASE("bad options: exit code 2 and a message that names what is wrong") {
    const Folder folder;
    const auto refuses = [&](const std::string& arguments, const std::string& part) {
        const Outcome tour = folder.run(arguments);
        INFO(arguments << ": " << tour.error);
        CHECK(tour.status == 2);
        CHECK(contains(tour.error, part));
        CHECK(tour.out.empty());
    };
    refuses("--precision fp32,int5", "\"int5\": unknown; valid are fp32");
    refuses("--precision int2", "int2-g32");
    refuses("--precision int4-g12", "multiple of 8");
    refuses("--steps 0", "--steps");
    refuses("--steps many", "--steps");
    refuses("--threads 0", "--threads");
    refuses("--nonsense", "--nonsense");
    refuses("--text missing.txt", "missing.txt");
    refuses("--text .", "folder");
    refuses("--html no/such/folder/page.html", "no/such/folder/page.html");
    std::ofstream(folder.path / "short.txt") << "too short";
    refuses("--text short.txt", "9 characters");
    std::ofstream(folder.path / "empty.txt") << "";
    refuses("--text empty.txt", "empty.txt");

    const Outcome help = folder.run("--help");
    CHECK(help.status == 0);
    for (const char* option :
         {"--text", "--json", "--html", "--quick", "--seed", "--steps", "--precision", "--threads"})
        CHECK(contains(help.out, option));
}
