// What the tour shows in a terminal: a line of progress for each run, and the final tables.
#pragma once

#include "result.hpp"

#include <chrono>
#include <mutex>
#include <vector>

namespace tour {

/// A line for each of several runs, which may go on at the same time: rewritten in place on a
/// terminal, a line now and then elsewhere. Safe to call from several threads.
class Progress {
public:
    explicit Progress(std::vector<std::string> labels);
    /// Run `row` starts now and will make `steps` steps.
    void begin(std::size_t row, std::size_t steps);
    /// `note` describes the moment: "loss 2.113  61.2k chars/s".
    void update(std::size_t row, std::size_t step, const std::string& note);
    /// The outcome, which stays.
    void end(std::size_t row, const std::string& note);

private:
    using Clock = std::chrono::steady_clock;
    struct Line {
        std::string label, note;
        std::size_t step = 0, steps = 0;
        Clock::time_point start{}, shown{};
        bool ended = false;
    };
    [[nodiscard]] std::string written(const Line& line) const;
    void redraw();

    std::mutex mutex_;
    bool terminal_, unicode_;
    std::vector<Line> lines_;
    Clock::time_point drawn_{};
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
