// What the tour shows in a terminal: a line of progress for each run, and the final tables.
#pragma once

#include "result.hpp"

#include <chrono>
#include <string_view>

namespace tour {

/// One line for each run: rewritten in place on a terminal, a line now and then elsewhere.
class Progress {
public:
    Progress();
    /// Starts the line of a run of `steps` steps.
    void begin(std::string_view label, std::size_t steps);
    /// `note` describes the moment: "loss 2.113  61.2k chars/s".
    void update(std::size_t step, std::string_view note);
    /// Replaces the line by its outcome.
    void end(std::string_view note);

private:
    void draw(std::string_view note, bool last);
    [[nodiscard]] double elapsed() const;

    bool terminal_, unicode_;
    std::string label_;
    std::size_t steps_ = 0, step_ = 0;
    std::chrono::steady_clock::time_point start_, drawn_;
};

/// Text, network, training and machine: before the work.
void print_plan(const Tour& tour);
/// The tables and the generated lines: after it.
void print_results(const Tour& tour);

/// "1,234,567"
[[nodiscard]] std::string grouped(std::size_t n);
/// "431.2 kB": decimal units.
[[nodiscard]] std::string bytes_text(std::size_t bytes);
/// "61.2k"
[[nodiscard]] std::string rate_text(double per_second);
/// printf into a string.
[[nodiscard]] std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
/// The first line of a sample worth showing, with line ends as spaces, at most `width` long.
[[nodiscard]] std::string one_line(const std::string& sample, std::size_t width);

}  // namespace tour
