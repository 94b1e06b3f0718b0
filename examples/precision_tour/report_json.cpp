#include "report.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <stdexcept>

namespace tour {

namespace {

using nlohmann::ordered_json;

ordered_json settings_json(const Tour& tour) {
    const Settings& s = tour.settings;
    return {{"seed", s.seed},
            {"quick", s.quick},
            {"layers", s.layers},
            {"heads", s.heads},
            {"channels", s.channels},
            {"context", s.context},
            {"batch", s.batch},
            {"steps", s.steps},
            {"learning_rate", s.rate},
            {"validation_windows", s.validation_windows},
            {"generated_characters", s.generated}};
}

ordered_json text_json(const TextFacts& t) {
    return {{"source", t.source},         {"characters", t.characters},
            {"train", t.train},           {"validation", t.validation},
            {"vocabulary", t.vocabulary}, {"rare_characters", t.rare}};
}

ordered_json machine_json(const Machine& m) {
    return {{"processor", m.processor},   {"instruction_set", m.instruction_set},
            {"cores", m.cores},           {"threads", m.threads},
            {"memory_gib", m.memory_gib}, {"compiler", m.compiler},
            {"system", m.system}};
}

ordered_json language_json(const LanguageResult& r, const LanguageResult* base) {
    ordered_json out{{"precision", r.name},
                     {"weights", r.storage},
                     {"moments", r.moments},
                     {"update", r.update},
                     {"parameters", r.parameters},
                     {"weight_bytes", r.weight_bytes},
                     {"optimizer_bytes", r.optimizer_bytes},
                     {"initial_loss", r.initial_loss},
                     {"validation_loss", r.validation_loss},
                     {"accuracy", r.accuracy},
                     {"accuracy_share", nullptr},
                     {"train_tokens_per_second", r.train_tokens_per_second},
                     {"generate_tokens_per_second", r.generate_tokens_per_second},
                     {"seconds", r.seconds},
                     {"sample", r.sample},
                     {"train_losses", r.losses}};
    if (base != nullptr) out["accuracy_share"] = r.accuracy / base->accuracy;
    out["weight_error"] = {{"sqnr_db", r.error.sqnr_db},    {"largest", r.error.largest},
                           {"exact", r.error.exact},        {"clipped", r.error.clipped},
                           {"log10_low", WeightError::low}, {"log10_high", WeightError::high},
                           {"histogram", r.error.share}};
    return out;
}

ordered_json spiking_json(const SpikingResult& r) {
    ordered_json raster = ordered_json::array();
    for (const Spike& s : r.raster) raster.push_back({s.step, s.neuron});
    return {{"precision", r.name},
            {"neurons", r.neurons},
            {"steps", r.steps},
            {"mean_rate_hz", r.mean_rate},
            {"rate_error", r.rate_error},
            {"rate_correlation", r.rate_correlation},
            {"coincidence", r.coincidence},
            {"synapses", r.synapses},
            {"bytes_per_neuron", r.bytes_per_neuron},
            {"bytes_per_synapse", r.bytes_per_synapse},
            {"updates_per_second", r.updates_per_second},
            {"raster", std::move(raster)}};
}

}  // namespace

void write_json(const Tour& tour, const std::string& file) {
    ordered_json root{{"nibble", tour.version},
                      {"seconds", tour.seconds},
                      {"settings", settings_json(tour)},
                      {"text", text_json(tour.text)},
                      {"machine", machine_json(tour.machine)},
                      {"weight_error_of", tour.error_of}};
    const LanguageResult* base = find(tour.language, "fp32");
    root["language"] = ordered_json::array();
    for (const LanguageResult& r : tour.language)
        root["language"].push_back(language_json(r, base));
    root["spiking"] = ordered_json::array();
    for (const SpikingResult& r : tour.spiking) root["spiking"].push_back(spiking_json(r));

    std::ofstream out(file, std::ios::binary);
    // A sample may end within a character of a user's text: replace what is not UTF-8.
    out << root.dump(1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    if (!out.flush()) throw std::runtime_error("--json: cannot write \"" + file + "\"");
}

}  // namespace tour
