// SPDX-License-Identifier: BSL-1.0
// Tokenizer: text to token ids and back, by byte-pair merging over bytes (GPT-2, Llama 3) or over
// characters with bytes for what has no token (SentencePiece as Llama and Mistral use it).
//
//     auto words = read_tokenizer("tokenizer.json");          // or .gguf, .bin: see tokenizer_file.hpp
//     auto ids = words.encode("Once upon a time");
//     auto text = words.decode(ids);
//
// Text is any bytes: what is not UTF-8 has tokens too, where the vocabulary has bytes. Names of control
// tokens in a text are plain text unless the caller says otherwise, so text from outside cannot speak
// for the program.
#pragma once

#include <nibble/io/merge.hpp>
#include <nibble/io/vocabulary.hpp>

#include <bitset>
#include <span>

namespace nibble::inline NIBBLE_ARCH {

/// How a text becomes tokens.
struct EncodeOptions {
    bool ends = true;      ///< begin and end tokens, where the vocabulary asks for them
    bool control = false;  ///< names of control tokens in the text stand for them
};

/// A vocabulary at work. Safe to use from several threads at once.
class Tokenizer {
public:
    Tokenizer() = default;
    /// Fails when the vocabulary does not fit together; `where` names its file.
    explicit Tokenizer(Vocabulary vocabulary, const std::string& where = "Tokenizer")
        : v_(std::move(vocabulary)) {
        expect_whole(v_, where);
        byte_ids_.fill(-1);
        for (std::size_t i = 0; i < v_.tokens.size(); ++i) take_token(static_cast<std::int32_t>(i));
        for (std::size_t rank = 0; rank < v_.merges.size(); ++rank) take_merge(rank, where);
        v_.merges = {};
        for (const WholeToken& w : v_.whole) add_whole(w);
        // The longest of those that begin alike is the one that is meant.
        std::stable_sort(whole_.begin(), whole_.end(), [&](const auto& a, const auto& b) {
            return text_of(a.id).size() > text_of(b.id).size();
        });
        if (v_.bytes)
            for (int b = 0; b < 256; ++b)
                if (byte_ids_[static_cast<std::size_t>(b)] < 0 && v_.unknown < 0)
                    fail(where + ": no token for the byte " + std::to_string(b));
    }
    // The maps hold views of the tokens.
    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;
    Tokenizer(Tokenizer&&) = default;
    Tokenizer& operator=(Tokenizer&&) = default;

    /// Tokens in the vocabulary.
    [[nodiscard]] std::size_t size() const noexcept { return v_.tokens.size(); }
    /// The vocabulary; its merges are gone.
    [[nodiscard]] const Vocabulary& vocabulary() const noexcept { return v_; }
    [[nodiscard]] std::int32_t bos() const noexcept { return v_.bos; }  ///< begin of text, or -1
    [[nodiscard]] std::int32_t eos() const noexcept { return v_.eos; }  ///< end of text, or -1
    /// The bytes that a token stands for; for a control token its name. Fails for no token.
    [[nodiscard]] const std::string& text_of(std::int32_t id) const { return v_.tokens[index(id)]; }
    [[nodiscard]] TokenKind kind_of(std::int32_t id) const { return v_.kinds[index(id)]; }
    /// The token of these very bytes, control tokens by their name; -1 when there is none.
    [[nodiscard]] std::int32_t find(std::string_view text) const noexcept {
        if (const auto found = ids_.find(text); found != ids_.end()) return found->second;
        for (const WholeToken& w : whole_)
            if (v_.tokens[static_cast<std::size_t>(w.id)] == text) return w.id;
        return -1;
    }

    /// The tokens of a text. Fails for a character that has no token when the vocabulary has neither
    /// bytes nor an unknown token.
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                   const EncodeOptions& options = {}) const {
        std::vector<std::int32_t> ids;
        if (options.ends && v_.add_bos) ids.push_back(v_.bos);
        std::size_t from = 0;
        for (std::size_t at = 0; at < text.size();) {
            const WholeToken* w = whole_at(text, at, options.control);
            if (w == nullptr) {
                ++at;
                continue;
            }
            std::string_view before = text.substr(from, at - from);
            if (w->left) before = before.substr(0, before.find_last_not_of(" \t\r\n") + 1);
            encode_part(before, ids);
            ids.push_back(w->id);
            at += v_.tokens[static_cast<std::size_t>(w->id)].size();
            if (w->right) at = std::min(text.find_first_not_of(" \t\r\n", at), text.size());
            from = at;
        }
        encode_part(text.substr(from), ids);
        if (options.ends && v_.add_eos) ids.push_back(v_.eos);
        return ids;
    }

    /// Appends what a token adds to a text: nothing for control and unknown tokens unless `control`,
    /// which shows their names. `first`: no text before it, so the space that encode put in front of a
    /// text is left out. Returns true when the token is text.
    bool append(std::int32_t id, std::string& to, bool first, bool control = false) const {
        const std::string& text = text_of(id);
        const TokenKind kind = v_.kinds[index(id)];
        if (kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::unused) {
            if (control) to += text;
            return false;
        }
        const bool drop = first && v_.prefix == TextPrefix::space && text.starts_with(' ');
        to.append(text, drop ? 1 : 0);
        return true;
    }
    /// The text of tokens: bytes, which need not be UTF-8 when ids were cut off (see TextStream).
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids,
                                     bool control = false) const {
        std::string text;
        bool first = true;
        for (const std::int32_t id : ids)
            if (append(id, text, first, control)) first = false;
        return text;
    }

private:
    using Cache = std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>>;
    static std::uint64_t pair_of(std::int32_t a, std::int32_t b) noexcept {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(a)) << 32 |
               static_cast<std::uint32_t>(b);
    }
    std::size_t index(std::int32_t id) const {
        if (id < 0 || static_cast<std::size_t>(id) >= v_.tokens.size())
            fail("Tokenizer: token " + std::to_string(id) + " of " +
                 std::to_string(v_.tokens.size()));
        return static_cast<std::size_t>(id);
    }

    void take_token(std::int32_t id) {
        const auto i = static_cast<std::size_t>(id);
        const std::string& text = v_.tokens[i];
        const TokenKind kind = v_.kinds[i];
        if (kind == TokenKind::byte) byte_ids_[static_cast<unsigned char>(text[0])] = id;
        if (kind == TokenKind::control || kind == TokenKind::user_defined) add_whole({id});
        if ((kind != TokenKind::normal && kind != TokenKind::user_defined) || text.empty()) return;
        ids_.emplace(text, id);  // of equal tokens the first
        if (v_.bytes && text.size() == 1) {
            auto& byte = byte_ids_[static_cast<unsigned char>(text[0])];
            if (byte < 0) byte = id;
        }
        const std::size_t word = text.find_first_not_of(' ');
        if (word != text.npos && text.find(' ', word) != text.npos) crosses_words_ = true;
    }
    void take_merge(std::size_t rank, const std::string& where) {
        const auto& [left, right] = v_.merges[rank];
        const std::string joined = left + right;
        std::int32_t ids[3];
        std::size_t n = 0;
        for (const std::string* part : {&left, &right, &joined}) {
            const auto found = ids_.find(*part);
            if (found == ids_.end())
                fail(where + ": merge " + std::to_string(rank) + " of " + shown(left) + " and " +
                     shown(right) + ": there is no token " + shown(*part));
            ids[n++] = found->second;
        }
        merges_.emplace(pair_of(ids[0], ids[1]), Merge{static_cast<double>(rank), ids[2]});
    }
    void add_whole(const WholeToken& w) {
        const std::string& text = v_.tokens[static_cast<std::size_t>(w.id)];
        if (text.empty()) return;
        whole_starts_.set(static_cast<unsigned char>(text[0]));
        for (WholeToken& known : whole_)
            if (known.id == w.id) {
                known = w;
                return;
            }
        whole_.push_back(w);
    }
    const WholeToken* whole_at(std::string_view text, std::size_t at, bool control) const noexcept {
        if (!whole_starts_[static_cast<unsigned char>(text[at])]) return nullptr;
        for (const WholeToken& w : whole_) {
            const auto i = static_cast<std::size_t>(w.id);
            if ((control || v_.kinds[i] != TokenKind::control) &&
                text.substr(at).starts_with(v_.tokens[i]))
                return &w;
        }
        return nullptr;
    }

    /// The tokens of a text without whole tokens.
    void encode_part(std::string_view text, std::vector<std::int32_t>& ids) const {
        if (text.empty()) return;
        if (text.size() > 0x7FFFFFFF)
            fail("Tokenizer: a text of " + std::to_string(text.size()) + " bytes, at most 2 GiB");
        std::string changed;
        if (v_.prefix == TextPrefix::space ||
            (v_.prefix == TextPrefix::space_unless_there && text[0] != ' '))
            changed = " ";
        const bool escaped =
            v_.escaped_spaces && text.find("\xE2\x96\x81") != std::string_view::npos;
        if (!changed.empty() || escaped) {
            changed += escaped ? with_spaces(text) : std::string(text);
            text = changed;
        }
        const TextCut cut = v_.cut != TextCut::none || crosses_words_ ? v_.cut : TextCut::words;
        // Most pieces of a text are not new: where the tokens of a piece are in `ids`.
        Cache cache;
        Merger merger;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = piece_end(text, at, cut);
            const std::string_view piece = text.substr(at, end - at);
            at = end;
            if (piece.size() > 64) {
                encode_piece(piece, merger, ids);
                continue;
            }
            const auto [found, fresh] = cache.try_emplace(piece, ids.size(), 0);
            if (fresh) {
                encode_piece(piece, merger, ids);
                found->second.second = ids.size();
                if (cache.size() >= std::size_t{1} << 16) cache.clear();
            } else {
                const auto [first, last] = found->second;
                for (std::size_t i = first; i < last; ++i) ids.push_back(ids[i]);
            }
        }
    }

    void encode_piece(std::string_view piece, Merger& merger,
                      std::vector<std::int32_t>& ids) const {
        if (v_.ignore_merges || piece.size() == 1)
            if (const auto found = ids_.find(piece); found != ids_.end()) {
                ids.push_back(found->second);
                return;
            }
        merger.clear();
        for (std::size_t at = 0; at < piece.size();) {
            const std::size_t n = v_.bytes ? 1 : code_point(piece, at).size;
            std::int32_t id = -1;
            if (v_.bytes) {
                id = byte_ids_[static_cast<unsigned char>(piece[at])];
            } else if (const auto found = ids_.find(piece.substr(at, n)); found != ids_.end()) {
                id = found->second;
            }
            merger.add(static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(n), id);
            at += n;
        }
        const auto put = [&](const Symbol& s) {
            put_symbol(piece.substr(s.begin, s.size), s.id, ids);
        };
        if (v_.scores.empty()) {
            merger.run(
                [&](const Symbol& a, const Symbol& b) {
                    const auto found =
                        a.id < 0 || b.id < 0 ? merges_.end() : merges_.find(pair_of(a.id, b.id));
                    return found == merges_.end() ? Merge{} : found->second;
                },
                put);
        } else {
            merger.run(
                [&](const Symbol& a, const Symbol& b) {
                    const auto found = ids_.find(piece.substr(a.begin, a.size + b.size));
                    if (found == ids_.end()) return Merge{};
                    const float score = v_.scores[static_cast<std::size_t>(found->second)];
                    return Merge{-static_cast<double>(score), found->second};
                },
                put);
        }
    }
    void put_symbol(std::string_view text, std::int32_t id, std::vector<std::int32_t>& ids) const {
        if (id >= 0) return ids.push_back(id);
        bool bytes = true;
        for (const char c : text) bytes = bytes && byte_ids_[static_cast<unsigned char>(c)] >= 0;
        if (bytes) {
            for (const char c : text) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
        } else {
            if (v_.unknown < 0) fail("Tokenizer: the vocabulary has no token for " + shown(text));
            ids.push_back(v_.unknown);
        }
    }

    Vocabulary v_;
    std::unordered_map<std::string_view, std::int32_t> ids_;
    std::unordered_map<std::uint64_t, Merge> merges_;
    std::array<std::int32_t, 256> byte_ids_{};
    std::vector<WholeToken> whole_;
    std::bitset<256> whole_starts_;
    bool crosses_words_ = false;
};

}  // namespace nibble
