#include "cli/quality_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/file.h"
#include "base/hash.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

// With --text, --hessians says where to keep the calibration.
constexpr std::array kOnlyWhere = {"--output",  "--hessians", "--report", "--list", "--force",
                                   "--threads", "--quiet",    "--json",   "--help"};
constexpr std::array kFiles = {"model", "checkpoint", "--reference", "--text", "--codec"};

template <class Names>
bool is_among(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Also of a path that ends in a slash.
std::string file_name(const std::string& path) {
  const fs::path whole = fs::path(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace

std::string command_text(const CLI::App& app) {
  std::string text = app.get_name();
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || is_among(kOnlyWhere, name)) continue;
    if (!option->get_positional()) text += " " + name;
    if (option->get_items_expected_max() == 0) continue;  // a flag
    for (const std::string& value : option->results())
      text += " " + (is_among(kFiles, name) ? file_name(value) : value);
  }
  return text;
}

Result<MeasuredQuality> quality_of(const DivergenceResult& d, const std::vector<fs::path>& texts, std::string command) {
  MeasuredQuality quality{.kl_divergence = d.mean_kl,
                          .perplexity = d.candidate_perplexity,
                          .reference_perplexity = d.reference_perplexity,
                          .top1_agreement = d.top1_agreement,
                          .windows = d.windows,
                          .context = d.context,
                          .command = std::move(command)};
  for (const fs::path& path : texts) {
    MeasuredQuality::Text& text = quality.texts.emplace_back();
    text.name = path.filename().string();
    std::error_code ignored;
    if (path.native() == kOwnText || !fs::exists(path, ignored)) continue;
    NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
    text.hash = xxh3(file.bytes());
  }
  return quality;
}

void print_quality(const MeasuredQuality& q) {
  std::string texts;
  for (const MeasuredQuality::Text& text : q.texts) texts += (texts.empty() ? "" : ", ") + printable(text.name);
  fmt::print(
      "measured     KL divergence {:.4f} nats per token, perplexity {:.4f} (reference {:.4f}), {} windows of {}\n",
      q.kl_divergence, q.perplexity, q.reference_perplexity, q.windows, q.context);
  fmt::print("             on what calibration did not see of {}\n", texts);
  fmt::print("made by      nwcodec {}\n", printable(q.command));
}

Json to_json(const MeasuredQuality& q) {
  Json texts = Json::array();
  for (const MeasuredQuality::Text& text : q.texts)
    texts.push_back({{"name", text.name}, {"hash", text.hash ? Json(hex64(*text.hash)) : Json()}});
  return {{"kl_divergence", q.kl_divergence},
          {"perplexity", q.perplexity},
          {"reference_perplexity", q.reference_perplexity},
          {"top1_agreement", q.top1_agreement},
          {"windows", q.windows},
          {"context", q.context},
          {"texts", texts},
          {"command", q.command}};
}

}  // namespace nwc::cli
