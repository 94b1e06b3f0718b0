#include "corpus.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace tour {

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error))
        throw std::runtime_error("--text: \"" + path.string() + "\" is a folder, not a text file");
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) throw std::runtime_error("--text: cannot read \"" + path.string() + "\"");
    return text;
}

// Documentation, then headers, each in the order of their names.
std::string own_sources() {
    const fs::path root = NIBBLE_SOURCE_DIR;
    std::vector<fs::path> files;
    const auto collect = [&](const char* folder, const char* extension) {
        std::error_code error;
        std::vector<fs::path> found;
        for (fs::recursive_directory_iterator at(root / folder, error), end; at != end;
             at.increment(error))
            if (at->is_regular_file() && at->path().extension() == extension)
                found.push_back(at->path());
        std::sort(found.begin(), found.end());
        files.insert(files.end(), found.begin(), found.end());
    };
    collect("docs", ".md");
    collect("include/nibble", ".hpp");
    std::string text;
    for (const fs::path& file : files) text += read(file) + "\n";
    if (text.empty())
        throw std::runtime_error("the library's sources are no longer in \"" + root.string() +
                                 "\"; name a text with --text FILE");
    return text;
}

}  // namespace

Corpus::Corpus(const std::string& file, std::size_t context) {
    const std::string text = file.empty() ? own_sources() : read(file);
    facts_.source = file.empty() ? "nibble's own documentation and headers" : file;

    // A character that is not ASCII is one rare character, however many bytes it takes.
    constexpr unsigned char rare = 0xFF;
    std::vector<unsigned char> bytes;
    bytes.reserve(text.size());
    std::size_t count[256] = {};
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool continues = (byte & 0xC0) == 0x80;
        if (byte == '\r' || continues) continue;
        // Deep indentation is easy to predict and dull to read: two spaces say as much.
        const std::size_t n = bytes.size();
        if (byte == ' ' && n >= 2 && bytes[n - 1] == ' ' && bytes[n - 2] == ' ') continue;
        const bool known = byte == '\n' || byte == '\t' || (byte >= 32 && byte < 127);
        bytes.push_back(known ? byte : rare);
        ++count[bytes.back()];
    }
    // Less than one in fifty thousand teaches nothing.
    const std::size_t enough = std::max<std::size_t>(2, bytes.size() / 50000);
    for (std::size_t b = 0; b < 256; ++b) {
        if (b == rare || count[b] < enough) {
            facts_.rare += count[b];
            token_of_[b] = -1;
        } else {
            token_of_[b] = static_cast<std::int32_t>(alphabet_.size());
            alphabet_ += static_cast<char>(b);
        }
    }
    const auto other = static_cast<std::int32_t>(alphabet_.size());
    alphabet_ += '?';
    for (std::int32_t& token : token_of_)
        if (token < 0) token = other;

    tokens_.reserve(bytes.size());
    for (const unsigned char b : bytes) tokens_.push_back(token_of_[b]);
    facts_.characters = tokens_.size();
    facts_.vocabulary = alphabet_.size();
    facts_.train = tokens_.size() * 9 / 10;
    facts_.validation = tokens_.size() - facts_.train;
    if (facts_.validation < 4 * (context + 1))
        throw std::runtime_error("\"" + facts_.source + "\" has " +
                                 std::to_string(facts_.characters) + " characters; " +
                                 std::to_string(40 * (context + 1)) + " are needed");
}

std::vector<std::int32_t> Corpus::encode(const std::string& text) const {
    std::vector<std::int32_t> tokens;
    for (const char c : text) tokens.push_back(token_of_[static_cast<unsigned char>(c)]);
    return tokens;
}

}  // namespace tour
