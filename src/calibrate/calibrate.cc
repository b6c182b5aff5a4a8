#include "calibrate/calibrate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/random_variates.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/drawn_texts.h"
#include "calibrate/ends_fisher.h"
#include "calibrate/finite_check.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/hessian_files.h"
#include "calibrate/labels.h"
#include "calibrate/own_text.h"
#include "calibrate/shared_run.h"
#include "guide/calibration_sequences.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/causal_lm.h"
#include "model/families/family.h"
#include "team/team.h"
#include "weights/not_compressed.h"

namespace nwc {
namespace {

std::string hash_of(std::span<const int32_t> ids) { return hex64(xxh3(std::as_bytes(ids))); }

// Of the model's own text.
Json provenance_of(const CalibrationText& text, const CalibrateOptions& options,
                   const std::vector<DrawnTexts::Sequence>& drawn) {
  std::vector<int32_t> ids;
  for (const auto& sequence : drawn) ids.insert(ids.end(), sequence.begin(), sequence.end());
  return {{"name", text.name},
          {"own", true},
          {"beginning", text.ids},
          {"document", kOwnDocument},
          {"temperature", kOwnTemperature},
          {"held_out", options.held_out},
          {"tokens", ids.size()},
          {"hash", hash_of(ids)}};
}

// What the files say they were made from.
Json provenance_of(const CalibrateOptions& options, std::span<const CalibrationText> texts, const DrawnTexts& drawn) {
  Json list = Json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    list.push_back(
        texts[i].own ? provenance_of(texts[i], options, drawn.texts[i])
                     : Json{{"name", texts[i].name}, {"tokens", texts[i].ids.size()}, {"hash", hash_of(texts[i].ids)}});
  }
  Json provenance = {
      {"texts", list}, {"sequences", options.sequences}, {"length", options.length}, {"seed", options.seed}};
  add_gradients(options, provenance);
  if (!options.device.is_cpu()) provenance["device"] = "cuda";  // whose sums round differently
  provenance["machine"] = machine_class(options.device);
  return provenance;
}

Result<RunIdentity> identity_of(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                const Checkpoint& checkpoint) {
  RunIdentity identity("calibrate");
  identity.add("sequences", options.sequences);
  identity.add("length", options.length);
  identity.add("seed", options.seed);
  add_gradients(options, identity);
  if (options.together) identity.add("sequences together", static_cast<uint64_t>(*options.together));
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text =
        texts[i].own ? fmt::format("its own after [{}], documents of {} at {}, {} held out",
                                   fmt::join(texts[i].ids, " "), kOwnDocument, kOwnTemperature, options.held_out)
                     : fmt::format("{} tokens, {}", texts[i].ids.size(), hash_of(texts[i].ids));
    identity.add(fmt::format("text {}", i + 1), std::string_view(text));
  }
  NWC_RETURN_IF_ERROR(add_model(options.model, checkpoint, options.device, options.threads, identity));
  return identity;
}

// With the head if there are to be gradients. A model that has none is opened without, `options` then want none.
Result<CausalLm> open_model(CalibrateOptions& options, std::vector<std::string>& warnings) {
  const auto open = [&](bool head) {
    return CausalLm::open(options.model, {.head = head, .threads = options.threads, .device = options.device});
  };
  Result<CausalLm> model = open(options.gradients);
  if (model || !options.gradients || model.error().code() != ErrorCode::kNotFound) return model;
  Result<CausalLm> without = open(false);
  if (!without) return without;
  warnings.push_back(
      fmt::format("calibrated without gradients: {} {}", model.error().tensor(), model.error().message()));
  options.gradients = false;
  return without;
}

// One for each device: the first decides whether there are gradients.
Result<std::vector<CausalLm>> open_models(CalibrateOptions& options, const std::vector<ModelDevice>& devices,
                                          std::vector<std::string>& warnings) {
  std::vector<CausalLm> models;
  NWC_ASSIGN_OR_RETURN(CausalLm first, open_model(options, warnings));
  models.push_back(std::move(first));
  for (size_t l = 1; l < devices.size(); ++l) {
    NWC_ASSIGN_OR_RETURN(
        CausalLm model,
        CausalLm::open(options.model, {.head = options.gradients, .threads = options.threads, .device = devices[l]}));
    models.push_back(std::move(model));
  }
  return models;
}

// The sequences of all texts, one after another.
struct Sequences {
  std::vector<CalibrationSequences::Sequence> tokens;
  std::vector<std::string> names;
};

Sequences sequences_of(const DrawnTexts& drawn, std::span<const CalibrationText> texts) {
  Sequences sequences;
  for (size_t i = 0; i < texts.size(); ++i) {
    size_t number = 0;
    for (const CalibrationSequences::Sequence& tokens : drawn.texts[i]) {
      sequences.tokens.push_back(tokens);
      sequences.names.push_back(fmt::format("sequence {} of {}", ++number, texts[i].name));
    }
  }
  return sequences;
}

at::Tensor tensor_of(const CalibrationSequences::Sequence& sequence) {
  return torch::tensor(at::ArrayRef<int32_t>(sequence), torch::kInt64);
}

// Those of a lane, at the first block's input.
Result<std::vector<Batch>> embedded(const Sequences& sequences, const std::vector<size_t>& indices,
                                    const CausalLm& model, const Checkpoint& checkpoint) {
  std::vector<Batch> batches;
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
  for (const size_t i : indices) {
    batches.push_back({embedding->forward(tensor_of(sequences.tokens[i]).unsqueeze(0)), sequences.names[i], i});
    if (!is_finite(batches.back().hidden))
      return input_not_finite(batches.back().name, model.spec().embedding, checkpoint);
  }
  return batches;
}

// Sets what a lane needs for gradients; `ends` sees them, if its file is missing.
void watch_gradients(const CalibrateOptions& options, const CausalLm& model, const Sequences& sequences,
                     bool ends_missing, EndsFisher& ends, Lane& lane) {
  const HeadWatch watch = [&ends](const at::Tensor& x, const at::Tensor& g) { ends.see_head(x, g); };
  lane.last_gradient = [&, watch, ends_missing, head = std::shared_ptr<const Head>()](
                           size_t index, const at::Tensor& output) mutable -> Result<at::Tensor> {
    if (head == nullptr) {
      NWC_ASSIGN_OR_RETURN(head, model.head());
    }
    const uint64_t seed = seed_of_part(options.seed, index);
    return gradient_of_labels(*head, model.spec().vocab_size, output, drawn_labels(seed),
                              ends_missing ? watch : HeadWatch());
  };
  lane.at_input = [&](size_t index, const at::Tensor& gradient) {
    ends.see_embedding(tensor_of(sequences.tokens[index]), gradient);
  };
}

Status pass(const CalibrateOptions& options, const std::vector<CausalLm>& models, const Sequences& sequences,
            PassContext& context) {
  NWC_ASSIGN_OR_RETURN(const auto dealt,
                       deal_out(sequences.tokens.size(), context.together, models.size(), context.team));
  std::vector<Lane> lanes;
  size_t batches = 0;
  for (size_t l = 0; l < models.size(); ++l) {
    NWC_ASSIGN_OR_RETURN(std::vector<Batch> some, embedded(sequences, dealt[l], models[l], context.checkpoint));
    batches += some.size();
    lanes.push_back({BlockStack::of(models[l], 0), std::move(some)});
  }
  const BlockStack blocks = lanes[0].blocks;
  if (!options.gradients) {
    context.total = steps_of_pass(blocks, batches, context.files);
    return pass_blocks(std::move(lanes), context);
  }
  context.total = steps_of_gradient_pass(blocks, batches, context.files);
  std::vector<EndsFisher> ends;
  for (const CausalLm& model : models) ends.emplace_back(model.spec());
  for (size_t l = 0; l < lanes.size(); ++l)
    watch_gradients(options, models[l], sequences, context.files.ends_missing(), ends[l], lanes[l]);
  GradientPassOptions pass_options{.scratch = options.output, .outputs = options.outputs};
  pass_options.ends = [&](int64_t positions) -> Result<HessianFile> {
    for (size_t l = 1; l < ends.size(); ++l) ends[0].add(ends[l]);
    NWC_RETURN_IF_ERROR(ends[0].add_up(context.team));
    if (!context.files.writes()) return HessianFile();
    return ends[0].file(context.checkpoint, context.files.provenance(), positions);
  };
  return pass_with_gradients(std::move(lanes), pass_options, context);
}

// With what the model's own text begins with, where the tokenizer did not say.
Result<std::vector<CalibrationText>> with_beginnings(std::span<const CalibrationText> texts, const ModelSpec& model,
                                                     const std::filesystem::path& directory) {
  std::vector<CalibrationText> complete(texts.begin(), texts.end());
  for (CalibrationText& text : complete) {
    if (!text.own || !text.ids.empty()) continue;
    NWC_ASSIGN_OR_RETURN(const std::optional<int32_t> token, beginning_token(directory, model.vocab_size));
    if (token) text.ids.push_back(*token);
  }
  return complete;
}

Result<CalibrateReport> run(CalibrateOptions options, std::span<const CalibrationText> given, const Progress& progress,
                            Team& team) {
  if (options.sequences < 1 || options.length < 1)
    return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(const std::vector<ModelDevice> devices, devices_of(options));
  NWC_ASSIGN_OR_RETURN(std::optional<ResumableDirectory> output, lock_output(options, team));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
  CalibrateReport report;
  NWC_ASSIGN_OR_RETURN(const std::vector<CausalLm> models, open_models(options, devices, report.warnings));
  const ModelSpec& spec = models[0].spec();
  report.gradients = options.gradients;
  if (options.length > spec.max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}",
                                                          spec.max_positions, options.length))
        .in_file(options.model.string());
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<CalibrationText> texts, with_beginnings(given, spec, options.model));
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, checkpoint));
  NWC_RETURN_IF_ERROR(begin_together(output, identity, team));
  const auto provenance_with = [&](const DrawnTexts& drawn) { return provenance_of(options, texts, drawn); };
  std::vector<std::string> of_texts;
  NWC_ASSIGN_OR_RETURN(const DrawnTexts drawn, draw_texts(options, texts, output ? &*output : nullptr, provenance_with,
                                                          progress, team, of_texts));
  const Json provenance = provenance_with(drawn);
  NWC_ASSIGN_OR_RETURN(HessianFiles files,
                       open_together(std::move(output), spec.blocks.size(), provenance, options.gradients, team));
  for (const std::vector<std::string>* list : {&checkpoint.notes(), &files.warnings()})
    report.warnings.insert(report.warnings.end(), list->begin(), list->end());
  report.blocks = files.blocks();
  report.blocks_from_earlier_run = files.from_earlier_run();

  report.warnings.insert(report.warnings.end(), of_texts.begin(), of_texts.end());
  const Sequences sequences = sequences_of(drawn, texts);
  if (files.writes())
    NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), drawn.to_be_stored(provenance)));
  for (const auto& held_out : drawn.held_out)
    report.held_out.insert(report.held_out.end(), held_out.begin(), held_out.end());
  report.sequences = static_cast<int64_t>(sequences.tokens.size());
  report.tokens = report.sequences * options.length;

  PassContext context{checkpoint, files, report, progress, team};
  context.together = options.together.value_or(batches_together(options.device, options.length * spec.hidden_size));
  NWC_RETURN_IF_ERROR(pass(options, models, sequences, context));
  NWC_RETURN_IF_ERROR(files.finish());
  NWC_RETURN_IF_ERROR(team.meet());
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                  const Progress& progress, Team* team) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    const std::unique_ptr<Team> alone = make_solo_team();
    return run(options, texts, progress, team != nullptr ? *team : *alone);
  });
}

}  // namespace nwc
