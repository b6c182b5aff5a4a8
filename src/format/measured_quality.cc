#include "format/measured_quality.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "format/json_members.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

constexpr const char* kConfigName = "config.json";
constexpr const char* kOurs = "quantization_config";
constexpr const char* kMeasured = "measured";

struct Config {
  std::string text;
  Json ours;  // our entry
};

// None without such an entry.
Result<std::optional<Config>> read_config(const std::filesystem::path& path) {
  Result<std::string> text = read_text_file(path, limits::kMaxJsonFile);
  if (!text && text.error().code() == ErrorCode::kNotFound) return std::optional<Config>();
  if (!text) return std::move(text).error();
  Result<Json> json = parse_json(*text, JsonDialect::kPython);
  if (!json) return std::move(json).error().in_file(path.string());
  const auto ours = json->is_object() ? json->find(kOurs) : json->end();
  if (ours == json->end() || !ours->is_object() || ours->value("quant_method", Json()) != "nwcodec")
    return std::optional<Config>();
  return std::optional(Config{*std::move(text), *ours});
}

double five_digits(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4e", value);
  return std::strtod(text, nullptr);
}

}  // namespace

std::optional<MeasuredQuality> MeasuredQuality::of_layers(size_t layers) const {
  if (layers == 0 || layers > refined.size() + 1) return std::nullopt;
  MeasuredQuality q = *this;
  q.refined.clear();
  if (layers == 1) return q;
  const Refined& r = refined[layers - 2];
  q.kl_divergence = r.kl_divergence;
  q.perplexity = r.perplexity;
  q.top1_agreement = r.top1_agreement;
  return q;
}

Status write_measured_quality(const std::filesystem::path& directory, const MeasuredQuality& q) {
  const std::filesystem::path path = directory / kConfigName;
  NWC_ASSIGN_OR_RETURN(std::optional<Config> config, read_config(path));
  if (!config) return {};
  Json texts = Json::array();
  for (const MeasuredQuality::Text& text : q.texts) {
    texts.push_back({{"name", text.name}});
    if (text.hash) texts.back()["hash"] = hex64(*text.hash);
  }
  Json measured{{"kl_divergence", five_digits(q.kl_divergence)},
                {"perplexity", five_digits(q.perplexity)},
                {"reference_perplexity", five_digits(q.reference_perplexity)},
                {"top1_agreement", five_digits(q.top1_agreement)},
                {"windows", q.windows},
                {"context", q.context},
                {"texts", texts},
                {"command", q.command}};
  for (const MeasuredQuality::Refined& r : q.refined) {
    measured["refined"].push_back({{"kl_divergence", five_digits(r.kl_divergence)},
                                   {"perplexity", five_digits(r.perplexity)},
                                   {"top1_agreement", five_digits(r.top1_agreement)}});
  }
  config->ours[kMeasured] = measured;
  JsonFields fields;
  // Names of files need not be UTF-8 but JSON must.
  for (const auto& [key, value] : config->ours.items())
    fields.emplace_back(key, value.dump(-1, ' ', false, Json::error_handler_t::replace));
  return write_file(path, with_member(without_member(std::move(config->text), kOurs), kOurs, fields));
}

Result<std::optional<MeasuredQuality>> read_measured_quality(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kConfigName;
  NWC_ASSIGN_OR_RETURN(const std::optional<Config> config, read_config(path));
  if (!config || !config->ours.contains(kMeasured)) return std::optional<MeasuredQuality>();
  const Json& measured = config->ours[kMeasured];
  MeasuredQuality q;
  try {
    measured.at("kl_divergence").get_to(q.kl_divergence);
    measured.at("perplexity").get_to(q.perplexity);
    measured.at("reference_perplexity").get_to(q.reference_perplexity);
    measured.at("top1_agreement").get_to(q.top1_agreement);
    measured.at("windows").get_to(q.windows);
    measured.at("context").get_to(q.context);
    measured.at("command").get_to(q.command);
    for (const Json& text : measured.at("texts")) {
      MeasuredQuality::Text& read = q.texts.emplace_back();
      text.at("name").get_to(read.name);
      if (text.contains("hash")) read.hash = std::strtoull(text.at("hash").get<std::string>().c_str(), nullptr, 16);
    }
    for (const Json& layer : measured.value("refined", Json::array())) {
      MeasuredQuality::Refined& read = q.refined.emplace_back();
      layer.at("kl_divergence").get_to(read.kl_divergence);
      layer.at("perplexity").get_to(read.perplexity);
      layer.at("top1_agreement").get_to(read.top1_agreement);
    }
  } catch (const nlohmann::json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("quantization_config.measured is not of its form: ") + e.what())
        .in_file(path.string())
        .remedy("take it out; nothing else needs it");
  }
  return std::optional(std::move(q));
}

}  // namespace nwc
