#include "calibrate/drawn_texts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "calibrate/own_text.h"
#include "guide/drawn_sequences.h"
#include "model/causal_lm.h"

namespace nwc {
namespace {

Result<std::vector<DrawnTexts::Sequence>> draw_from_file(const CalibrateOptions& options, const CalibrationText& text,
                                                         std::vector<std::string>& warnings) {
  Result<std::vector<int64_t>> begins = draw_sequences(text.ids, options.length, options.sequences, options.seed);
  if (!begins) return std::move(begins).error().in_file(text.name);
  if (static_cast<int64_t>(begins->size()) < options.sequences) {
    warnings.push_back(fmt::format("{} has only {} sequences of {} tokens", text.name, begins->size(), options.length));
  }
  std::vector<DrawnTexts::Sequence> drawn;
  for (const int64_t begin : *begins)
    drawn.emplace_back(text.ids.begin() + begin, text.ids.begin() + begin + options.length);
  return drawn;
}

// Those of an interrupted run, put into `drawn`; false if there are none. Errors say why they are not usable.
Result<bool> take_from_earlier_run(const CalibrateOptions& options, size_t index, const ResumableDirectory& output,
                                   const ProvenanceOf& provenance, DrawnTexts& drawn) {
  const std::filesystem::path path = sequences_file(output.path());
  if (!output.has_from_earlier_run(path.filename())) return false;
  NWC_ASSIGN_OR_RETURN(CalibrationSequences stored, read_sequences(path));
  const auto other = [&] { return Error(ErrorCode::kMismatch, "is of another calibration").in_file(path.string()); };
  if (index >= stored.texts.size()) return other();
  DrawnTexts found = drawn;
  found.texts[index] = std::move(stored.texts[index]);
  found.held_out = std::move(stored.held_out);
  if (std::ssize(found.texts[index]) != options.sequences || std::ssize(found.held_out) != options.held_out ||
      provenance(found) != stored.calibration)
    return other();
  drawn = std::move(found);
  return true;
}

Status write_sequences_of_model(const CalibrateOptions& options, const CalibrationText& text, size_t index,
                                const Progress& progress, DrawnTexts& drawn) {
  Result<CausalLm> model = CausalLm::open(
      options.model, {.residency = Residency::kAll, .threads = options.threads, .device = options.device});
  if (!model && model.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, model.error().message())
        .in_file(model.error().file())
        .in_tensor(model.error().tensor())
        .remedy("calibrate with --text FILE, which needs no head");
  }
  if (!model) return std::move(model).error();
  const OwnTextOptions own{.beginning = text.ids,
                           .sequences = options.sequences + options.held_out,
                           .length = options.length,
                           .seed = options.seed,
                           .threads = options.device.is_cpu() ? resolve_threads(options.threads) : 0};
  Result<std::vector<DrawnTexts::Sequence>> written = write_own_text(*model, own, progress);
  if (!written) {
    if (written.error().code() == ErrorCode::kInterrupted) return std::move(written).error();
    return std::move(written).error().in_file(options.model.string());
  }
  const auto held_out = written->begin() + static_cast<ptrdiff_t>(options.sequences);
  drawn.held_out.assign(std::move_iterator(held_out), std::move_iterator(written->end()));
  written->erase(held_out, written->end());
  drawn.texts[index] = *std::move(written);
  return {};
}

// From an earlier run, or written now and put on disk.
Status settle_own_text(const CalibrateOptions& options, const CalibrationText& text, size_t index,
                       ResumableDirectory& output, const ProvenanceOf& provenance, const Progress& progress,
                       DrawnTexts& drawn, std::vector<std::string>& warnings) {
  const Result<bool> taken = take_from_earlier_run(options, index, output, provenance, drawn);
  if (taken && *taken) return {};
  if (!taken) warnings.push_back(made_again(taken.error()));
  NWC_RETURN_IF_ERROR(write_sequences_of_model(options, text, index, progress, drawn));
  NWC_RETURN_IF_ERROR(write_sequences(sequences_file(output.path()), drawn.to_be_stored(provenance(drawn))));
  output.keep_progress();
  return {};
}

// From the leading process to all.
Status share_own_text(const CalibrateOptions& options, size_t index, Team& team, DrawnTexts& drawn) {
  if (team.size() == 1) return {};
  const auto length = static_cast<size_t>(options.length), sequences = static_cast<size_t>(options.sequences),
             held_out = static_cast<size_t>(options.held_out);
  std::vector<double> tokens((sequences + held_out) * length, 0.0);
  size_t at = 0;
  for (const auto* list : {&drawn.texts[index], &drawn.held_out}) {
    for (const DrawnTexts::Sequence& sequence : *list) {
      for (const int32_t token : sequence) tokens[at++] = token;
    }
  }
  NWC_RETURN_IF_ERROR(team.gather(tokens));
  if (team.leads()) return {};
  for (size_t i = 0; i < sequences + held_out; ++i) {
    const auto begin = tokens.begin() + static_cast<ptrdiff_t>(i * length);
    DrawnTexts::Sequence sequence;
    std::transform(begin, begin + static_cast<ptrdiff_t>(length), std::back_inserter(sequence),
                   [](double token) { return static_cast<int32_t>(token); });
    (i < sequences ? drawn.texts[index] : drawn.held_out).push_back(std::move(sequence));
  }
  return {};
}

}  // namespace

CalibrationSequences DrawnTexts::to_be_stored(const Json& provenance) const { return {texts, held_out, provenance}; }

Result<DrawnTexts> draw_texts(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                              ResumableDirectory* output, const ProvenanceOf& provenance, const Progress& progress,
                              Team& team, std::vector<std::string>& warnings) {
  DrawnTexts drawn;
  std::optional<size_t> own;
  for (size_t i = 0; i < texts.size(); ++i) {
    drawn.texts.emplace_back();
    if (texts[i].own && own)
      return Error(ErrorCode::kInvalidArgument, "the model's own text is asked for twice").remedy("name self once");
    if (texts[i].own) {
      own = i;
      continue;
    }
    NWC_ASSIGN_OR_RETURN(drawn.texts[i], draw_from_file(options, texts[i], warnings));
  }
  if (!own) return drawn;
  if (output != nullptr)
    NWC_RETURN_IF_ERROR(settle_own_text(options, texts[*own], *own, *output, provenance, progress, drawn, warnings));
  NWC_RETURN_IF_ERROR(share_own_text(options, *own, team, drawn));
  return drawn;
}

}  // namespace nwc
