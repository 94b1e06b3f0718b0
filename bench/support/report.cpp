// Turns the JSON files of the benchmark programs into docs/performance.md and one SVG for each program:
//
//     bench_report <folder of the benchmarks' sources> <docs> <name>.json...
//
// A section begins with the comment that opens <name>.cpp. Its table has the median of the repetitions.
// Counters named of_* are shares of a floor and vs_* are how many times faster than a peer: they become
// bars, with a line at 1.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Row {
    std::string name;
    std::pair<int, int> place;  // as registered: the run may have been in random order
    double seconds = 0;
    std::map<std::string, double> counters;
};
struct Program {
    std::string name, about;
    json context;
    std::vector<Row> rows;
    std::vector<std::string> columns;  // in the order of their first appearance
};

/// What every entry has; the rest are counters.
const std::set<std::string> fixed = {"name",
                                     "family_index",
                                     "per_family_instance_index",
                                     "run_name",
                                     "run_type",
                                     "repetitions",
                                     "repetition_index",
                                     "threads",
                                     "iterations",
                                     "real_time",
                                     "cpu_time",
                                     "time_unit",
                                     "aggregate_name",
                                     "aggregate_unit",
                                     "label",
                                     "error_occurred",
                                     "error_message"};

std::string without_suffixes(std::string name) {
    for (const std::string suffix : {"_median", "/manual_time", "/real_time", "/process_time"})
        if (name.size() > suffix.size() &&
            name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0)
            name.resize(name.size() - suffix.size());
    for (const std::string part : {"/repeats:", "/iterations:", "/min_time:"})
        if (const auto at = name.find(part); at != std::string::npos) {
            const auto end = name.find('/', at + 1);
            name.erase(at, end == std::string::npos ? end : end - at);
        }
    return name;
}

/// The comment that a source begins with, as a paragraph; lines indented further stay lines of code.
std::string opening_comment(const fs::path& source) {
    std::ifstream file(source);
    std::string text;
    bool code = false;
    for (std::string line; std::getline(file, line) && line.rfind("//", 0) == 0;) {
        line.erase(0, line.rfind("// ", 0) == 0 ? 3 : 2);
        const bool indented = line.rfind("    ", 0) == 0;
        if (indented != code && !line.empty()) {
            text += code ? "" : "\n";
            code = indented;
        }
        text += line + "\n";
    }
    return text;
}

Program read_program(const fs::path& file, const fs::path& sources) {
    Program program;
    program.name = file.stem().string();
    program.about = opening_comment(sources / (program.name + ".cpp"));
    std::ifstream stream(file);
    const json all = json::parse(stream);
    program.context = all.at("context");
    bool medians = false;
    for (const json& entry : all.at("benchmarks"))
        medians = medians || entry.value("aggregate_name", "") == "median";
    static const std::map<std::string, double> units = {
        {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}};
    for (const json& entry : all.at("benchmarks")) {
        if (entry.value("error_occurred", false)) continue;
        const std::string aggregate = entry.value("aggregate_name", "");
        // With repetitions the median; a benchmark that fixes its own is there as it is.
        if (medians ? aggregate != "median" : !aggregate.empty()) continue;
        Row row;
        row.name = without_suffixes(entry.at("name"));
        row.place = {entry.value("family_index", 0), entry.value("per_family_instance_index", 0)};
        const bool wall = entry.at("name").get<std::string>().find("_time") != std::string::npos;
        row.seconds = entry.at(wall ? "real_time" : "cpu_time").get<double>() *
                      units.at(entry.value("time_unit", "ns"));
        for (const auto& [key, value] : entry.items())
            if (!fixed.contains(key) && value.is_number()) {
                row.counters[key] = value.get<double>();
                if (std::find(program.columns.begin(), program.columns.end(), key) ==
                    program.columns.end())
                    program.columns.push_back(key);
            }
        program.rows.push_back(row);
    }
    std::stable_sort(program.rows.begin(), program.rows.end(),
                     [](const Row& a, const Row& b) { return a.place < b.place; });
    return program;
}

/// Three digits, with a prefix: "1.53 G", "96.2 n", "0.87".
std::string number(double x, double smallest = 0.01) {
    char text[32];
    const double size = std::fabs(x);
    if (x == 0 || (size >= smallest && size < 1000)) {
        std::snprintf(text, sizeof text, "%.3g", x);
        return text;
    }
    static constexpr struct {
        double unit;
        const char* name;
    } prefixes[] = {{1e12, "T"}, {1e9, "G"},  {1e6, "M"}, {1e3, "k"},
                    {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}};
    for (const auto& p : prefixes)
        if (size >= p.unit) {
            std::snprintf(text, sizeof text, "%.3g %s", x / p.unit, p.name);
            return text;
        }
    std::snprintf(text, sizeof text, "%.2e", x);
    return text;
}

std::string seconds(double t) {
    const std::string text = number(t, 1.0);
    return text + (text.find(' ') == std::string::npos ? " s" : "s");
}

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text)
        if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '&') out += "&amp;";
        else if (c == '|') out += "&#124;";
        else out += c;
    return out;
}

bool is_share(const std::string& counter) { return counter.rfind("of_", 0) == 0; }
bool is_ratio(const std::string& counter) { return counter.rfind("vs_", 0) == 0; }
bool is_peer(const std::string& name) {
    for (const char* peer : {"OpenBLAS", "Eigen", "oneDNN", "XNNPACK", "memcpy"})
        if (name.find(peer) != std::string::npos) return true;
    return false;
}

struct Bar {
    std::string label;
    double value;
    bool peer;
};

/// Horizontal bars with a line at 1. Empty when there is nothing to draw.
std::string bars(const std::string& title, const std::vector<Bar>& list) {
    double top = 1.1;
    for (const Bar& bar : list) top = std::max(top, bar.value * 1.05);
    const double left = 330, width = 420, step = 18, head = 34;
    const double height = head + step * double(list.size()) + 12;
    std::ostringstream svg;
    svg.precision(4);
    svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"820\" height=\"" << height
        << "\" font-family=\"sans-serif\" font-size=\"11\">\n"
        << "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        << "<text x=\"12\" y=\"20\" font-size=\"13\" fill=\"#111111\">" << escaped(title)
        << "</text>\n";
    double y = head;
    for (const Bar& bar : list) {
        const double length = std::max(0.0, bar.value) / top * width;
        svg << "<text x=\"" << left - 8 << "\" y=\"" << y + 11
            << "\" text-anchor=\"end\" fill=\"#111111\">" << escaped(bar.label) << "</text>"
            << "<rect x=\"" << left << "\" y=\"" << y + 1 << "\" width=\"" << length
            << "\" height=\"" << step - 5 << "\" fill=\"" << (bar.peer ? "#9aa5b1" : "#2b6cb0")
            << "\"/><text x=\"" << left + length + 5 << "\" y=\"" << y + 11
            << "\" fill=\"#111111\">" << number(bar.value) << "</text>\n";
        y += step;
    }
    const double one = left + width / top;
    svg << "<line x1=\"" << one << "\" y1=\"" << head - 4 << "\" x2=\"" << one << "\" y2=\""
        << height - 8 << "\" stroke=\"#c53030\" stroke-dasharray=\"4 3\"/>\n</svg>\n";
    return svg.str();
}

/// Writes a chart of the counters that `choose` takes; whether there were any.
bool draw(const Program& program, const fs::path& file, const std::string& title,
          bool (*choose)(const std::string&)) {
    std::vector<Bar> list;
    for (const Row& row : program.rows)
        for (const std::string& column : program.columns)
            if (const auto at = row.counters.find(column);
                at != row.counters.end() && choose(column))
                list.push_back({row.name + " " + column, at->second, is_peer(row.name)});
    if (list.empty()) {
        fs::remove(file);
        return false;
    }
    std::ofstream(file) << bars(title, list);
    return true;
}

void section(std::ostream& page, const Program& program, const fs::path& docs) {
    page << "\n## " << program.name << "\n\n" << program.about << "\n";
    const auto chart = [&](const std::string& kind, const std::string& title, auto choose) {
        const std::string file = "performance-" + program.name + "-" + kind + ".svg";
        if (draw(program, docs / file, program.name + ": " + title, choose))
            page << "![" << program.name << ", " << title << "](" << file << ")\n\n";
    };
    chart("floor", "share of the floor", is_share);
    chart("peers", "times faster than the peer", is_ratio);
    page << "| | time |";
    for (const std::string& column : program.columns) page << " " << escaped(column) << " |";
    page << "\n|---|---|";
    for (std::size_t i = 0; i < program.columns.size(); ++i) page << "---|";
    page << "\n";
    for (const Row& row : program.rows) {
        page << "| " << escaped(row.name) << " | " << seconds(row.seconds) << " |";
        for (const std::string& column : program.columns) {
            const auto at = row.counters.find(column);
            page << " " << (at == row.counters.end() ? std::string() : number(at->second)) << " |";
        }
        page << "\n";
    }
}

void machine(std::ostream& page, const json& context) {
    const auto text = [&](const char* key) { return context.value(key, std::string("unknown")); };
    page << "| | |\n|---|---|\n"
         << "| processor | " << escaped(text("processor")) << " |\n"
         << "| cores | " << context.value("num_cpus", 0) << " |\n| caches | ";
    bool first = true;
    for (const json& cache : context.value("caches", json::array())) {
        page << (first ? "" : ", ") << "L" << cache.value("level", 0) << " "
             << cache.value("type", "") << " " << cache.value("size", 0) / 1024 << " KiB";
        first = false;
    }
    page << " |\n| instruction set | " << text("instruction_set") << " |\n| compiler | "
         << text("compiler") << " |\n| date | " << text("date").substr(0, 10)
         << " |\n| load before the run | ";
    const json load = context.value("load_avg", json::array());
    page << (load.empty() ? std::string("unknown") : number(load[0].get<double>())) << " |\n";
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " <sources> <docs> <name>.json...\n";
        return 2;
    }
    const fs::path sources = argv[1], docs = argv[2];
    std::vector<Program> programs;
    for (int i = 3; i < argc; ++i) programs.push_back(read_program(argv[i], sources));
    std::sort(programs.begin(), programs.end(), [](const Program& a, const Program& b) {
        // The floors come first.
        return std::pair(a.name != "floor", a.name) < std::pair(b.name != "floor", b.name);
    });

    std::ofstream page(docs / "performance.md");
    page << "# Performance\n\n"
            "Written by `./dev bench --report` from a run of the benchmarks on the machine below; "
            "the "
            "bars and tables are of\nthat run. Times are of the processor, or of the clock on the "
            "wall "
            "where several threads work. `of_peak`, `of_read`\nand `of_copy` are shares of the "
            "floors "
            "measured in the same process, `vs_*` how many times faster than a peer\nthat ran in "
            "turns "
            "with it. Ratios carry over to other machines, times do not.\n\n";
    machine(page, programs.front().context);
    for (const Program& program : programs) section(page, program, docs);
    page.flush();
    if (!page) {
        std::cerr << (docs / "performance.md").string() << ": cannot be written\n";
        return 1;
    }
    return 0;
} catch (const std::exception& e) {
    std::cerr << "bench_report: " << e.what() << "\n";
    return 1;
}
