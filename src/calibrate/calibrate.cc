#include "calibrate/calibrate.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/ends_fisher.h"
#include "calibrate/finite_check.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/hessian_files.h"
#include "calibrate/labels.h"
#include "calibrate/sequences.h"
#include "calibrate/shared_run.h"
#include "guide/calibration_sequences.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/causal_lm.h"
#include "team/team.h"

namespace nwc {
namespace {

std::string hash_of(const CalibrationText& text) { return hex64(xxh3(std::as_bytes(std::span(text.ids)))); }

// What the files say they were made from.
Json provenance_of(const CalibrateOptions& options, std::span<const CalibrationText> texts) {
  Json list = Json::array();
  for (const CalibrationText& text : texts)
    list.push_back({{"name", text.name}, {"tokens", text.ids.size()}, {"hash", hash_of(text)}});
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
  for (size_t i = 0; i < texts.size(); ++i) {
    identity.add(fmt::format("text {}", i + 1),
                 std::string_view(fmt::format("{} tokens, {}", texts[i].ids.size(), hash_of(texts[i]))));
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

// The sequences of all texts, as they are stored and one after another.
struct DrawnSequences {
  std::vector<std::vector<CalibrationSequences::Sequence>> texts;
  std::vector<CalibrationSequences::Sequence> all;
  std::vector<std::string> names;
};

Result<DrawnSequences> draw(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                            std::vector<std::string>& warnings) {
  DrawnSequences drawn;
  for (const CalibrationText& text : texts) {
    Result<std::vector<int64_t>> begins = draw_sequences(text.ids, options.length, options.sequences, options.seed);
    if (!begins) return std::move(begins).error().in_file(text.name);
    if (static_cast<int64_t>(begins->size()) < options.sequences) {
      warnings.push_back(
          fmt::format("{} has only {} sequences of {} tokens", text.name, begins->size(), options.length));
    }
    std::vector<CalibrationSequences::Sequence>& of_text = drawn.texts.emplace_back();
    for (const int64_t begin : *begins) {
      of_text.emplace_back(text.ids.begin() + begin, text.ids.begin() + begin + options.length);
      drawn.all.push_back(of_text.back());
      drawn.names.push_back(fmt::format("sequence {} of {}", of_text.size(), text.name));
    }
  }
  return drawn;
}

at::Tensor tensor_of(const CalibrationSequences::Sequence& sequence) {
  return torch::tensor(at::ArrayRef<int32_t>(sequence), torch::kInt64);
}

// Those of a lane, at the first block's input.
Result<std::vector<Batch>> embedded(const DrawnSequences& drawn, const std::vector<size_t>& indices,
                                    const CausalLm& model, const Checkpoint& checkpoint) {
  std::vector<Batch> batches;
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
  for (const size_t i : indices) {
    batches.push_back({embedding->forward(tensor_of(drawn.all[i]).unsqueeze(0)), drawn.names[i], i});
    if (!is_finite(batches.back().hidden))
      return input_not_finite(batches.back().name, model.spec().embedding, checkpoint);
  }
  return batches;
}

// Sets what a lane needs for gradients; `ends` sees them, if its file is missing.
void watch_gradients(const CalibrateOptions& options, const CausalLm& model, const DrawnSequences& drawn,
                     bool ends_missing, EndsFisher& ends, Lane& lane) {
  const HeadWatch watch = [&ends](const at::Tensor& x, const at::Tensor& g) { ends.see_head(x, g); };
  lane.last_gradient = [&, watch, ends_missing, head = std::shared_ptr<const Head>()](
                           size_t index, const at::Tensor& output) mutable -> Result<at::Tensor> {
    if (head == nullptr) {
      NWC_ASSIGN_OR_RETURN(head, model.head());
    }
    return gradient_of_labels(*head, model.spec().vocab_size, output, drawn_labels(label_seed(options.seed, index)),
                              ends_missing ? watch : HeadWatch());
  };
  lane.at_input = [&](size_t index, const at::Tensor& gradient) {
    ends.see_embedding(tensor_of(drawn.all[index]), gradient);
  };
}

Status pass(const CalibrateOptions& options, const std::vector<CausalLm>& models, const DrawnSequences& drawn,
            PassContext& context) {
  NWC_ASSIGN_OR_RETURN(const auto dealt, deal_out(drawn.all.size(), models.size(), context.team));
  std::vector<Lane> lanes;
  size_t batches = 0;
  for (size_t l = 0; l < models.size(); ++l) {
    NWC_ASSIGN_OR_RETURN(std::vector<Batch> some, embedded(drawn, dealt[l], models[l], context.checkpoint));
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
    watch_gradients(options, models[l], drawn, context.files.ends_missing(), ends[l], lanes[l]);
  GradientPassOptions pass_options{.scratch = options.output, .outputs = options.outputs};
  pass_options.ends = [&](int64_t positions) -> Result<HessianFile> {
    for (size_t l = 1; l < ends.size(); ++l) ends[0].add(ends[l]);
    NWC_RETURN_IF_ERROR(ends[0].add_up(context.team));
    if (!context.files.writes()) return HessianFile();
    return ends[0].file(context.checkpoint, context.files.provenance(), positions);
  };
  return pass_with_gradients(std::move(lanes), pass_options, context);
}

Result<CalibrateReport> run(CalibrateOptions options, std::span<const CalibrationText> texts, const Progress& progress,
                            Team& team) {
  if (options.sequences < 1 || options.length < 1)
    return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(const std::vector<ModelDevice> devices, devices_of(options));
  NWC_ASSIGN_OR_RETURN(std::optional<ResumableDirectory> output, lock_output(options, team));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  CalibrateReport report;
  NWC_ASSIGN_OR_RETURN(const std::vector<CausalLm> models, open_models(options, devices, report.warnings));
  const ModelSpec& spec = models[0].spec();
  report.gradients = options.gradients;
  if (options.length > spec.max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}",
                                                          spec.max_positions, options.length))
        .in_file(options.model.string());
  }
  const Json provenance = provenance_of(options, texts);
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, checkpoint));
  NWC_ASSIGN_OR_RETURN(HessianFiles files, open_together(std::move(output), identity, spec.blocks.size(), provenance,
                                                         options.gradients, team));
  for (const std::vector<std::string>* list : {&checkpoint.notes(), &files.warnings()})
    report.warnings.insert(report.warnings.end(), list->begin(), list->end());
  report.blocks = files.blocks();
  report.blocks_from_earlier_run = files.from_earlier_run();

  NWC_ASSIGN_OR_RETURN(const DrawnSequences drawn, draw(options, texts, report.warnings));
  if (files.writes()) NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), {drawn.texts, provenance}));
  report.sequences = static_cast<int64_t>(drawn.all.size());
  report.tokens = report.sequences * options.length;

  PassContext context{checkpoint, files, report, progress, team};
  NWC_RETURN_IF_ERROR(pass(options, models, drawn, context));
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
