// A tour of precisions: the same small character model trained at each of them, the same spiking
// network run at each of them, one table and one page. See docs/tour.md.
#include "console.hpp"
#include "corpus.hpp"
#include "language.hpp"
#include "machine.hpp"
#include "options.hpp"
#include "report.hpp"
#include "spiking.hpp"

#include <nibble/kernel/executor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace tour;

// Something wrong with what the user gave: exit code 2.
struct BadInput : std::runtime_error {
    using runtime_error::runtime_error;
};

// Fails now and not after a minute of work.
void expect_writable(const char* option, const std::string& file) {
    if (file.empty()) return;
    if (!std::ofstream(file, std::ios::app))
        throw BadInput(std::string(option) + ": cannot write \"" + file + "\"");
}

Settings settings_for(const Options& options) {
    Settings s;
    s.seed = options.seed;
    s.quick = options.quick;
    s.rate = 4e-3;
    s.steps = options.steps != 0 ? options.steps : options.quick ? 400 : 2000;
    s.validation_windows = options.quick ? 64 : 256;
    s.generated = options.quick ? 200 : 400;
    return s;
}

// Trains every chosen precision, as many at a time as there are threads. A precision's result does
// not depend on what else is going on.
std::vector<LanguageResult> learn_all(Tour& tour, const Corpus& corpus, const Options& options) {
    std::vector<const Course*> courses;
    std::vector<std::string> labels;
    for (const Course* course : all_courses)
        if (std::find(options.precisions.begin(), options.precisions.end(), course->name) !=
            options.precisions.end()) {
            courses.push_back(course);
            labels.emplace_back(course->label);
        }
    Progress progress(labels);
    const Lesson lesson{corpus, tour.settings, progress};
    std::vector<LanguageResult> results(courses.size());
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex failing;
    const auto work = [&] {
        for (std::size_t i; (i = next++) < courses.size();) try {
                results[i] = courses[i]->learn(*courses[i], lesson, i);
            } catch (...) {
                const std::scoped_lock lock(failing);
                failure = std::current_exception();
                next = courses.size();
            }
    };
    std::vector<std::thread> helpers;
    const auto threads = std::min(static_cast<std::size_t>(tour.machine.threads), courses.size());
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
    for (std::thread& helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);

    const bool has_fp32 = courses.front() == &fp32_course;
    const Matrices reference = has_fp32 ? learnt_weights() : starting_weights(lesson);
    tour.error_of = has_fp32 ? "the weights that FP32 learnt" : "the starting weights";
    for (std::size_t i = 0; i < courses.size(); ++i)
        results[i].error = courses[i]->round(lesson, reference);
    return results;
}

Corpus read_corpus(const Options& options, const Settings& settings) {
    try {
        return Corpus(options.text, settings.context);
    } catch (const std::exception& error) {
        throw BadInput(error.what());
    }
}

int run(const Options& options) {
    const auto start = std::chrono::steady_clock::now();
    expect_writable("--html", options.html);
    expect_writable("--json", options.json);
    Tour tour;
    tour.version = NIBBLE_VERSION;
    tour.settings = settings_for(options);
    const Corpus corpus = read_corpus(options, tour.settings);
    tour.text = corpus.facts();
    tour.machine = describe_machine(nibble::Host(options.threads).threads());
    print_plan(tour);

    tour.language = learn_all(tour, corpus, options);
    std::puts("");
    tour.spiking = run_spiking(tour, options.precisions);

    tour.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    print_results(tour);
    if (!options.html.empty()) {
        write_html(tour, options.html);
        std::printf("page: %s\n", options.html.c_str());
    }
    if (!options.json.empty()) {
        write_json(tour, options.json);
        std::printf("figures: %s\n", options.json.c_str());
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    const auto options = read_options(argc, argv, status);
    if (!options) return status;
    try {
        return run(*options);
    } catch (const BadInput& error) {
        std::fprintf(stderr, "precision_tour: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "precision_tour: %s\n", error.what());
        return 1;
    }
}
