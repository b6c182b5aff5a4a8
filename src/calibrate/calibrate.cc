#include "calibrate/calibrate.h"

#include <fmt/format.h>

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
#include "guide/calibration_sequences.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/causal_lm.h"

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

// The sequences of all texts, at the first block's input, and as they are stored.
struct DrawnSequences {
  std::vector<Batch> batches;
  std::vector<std::vector<CalibrationSequences::Sequence>> texts;
};

Result<DrawnSequences> draw(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                            const CausalLm& model, const Checkpoint& checkpoint, std::vector<std::string>& warnings) {
  DrawnSequences drawn;
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
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
      const at::Tensor ids =
          torch::tensor(at::ArrayRef<int32_t>(text.ids.data() + begin, static_cast<size_t>(options.length)),
                        torch::kInt64)
              .unsqueeze(0);
      drawn.batches.push_back({embedding->forward(ids), fmt::format("sequence {} of {}", of_text.size(), text.name)});
      if (!is_finite(drawn.batches.back().hidden))
        return input_not_finite(drawn.batches.back().name, model.spec().embedding, checkpoint);
    }
  }
  return drawn;
}

// `sequences`: the tokens of each batch.
Status pass(const CalibrateOptions& options, const CausalLm& model, std::vector<Batch> batches,
            const std::vector<CalibrationSequences::Sequence>& sequences, PassContext& context) {
  const BlockStack blocks = BlockStack::of(model, 0);
  if (!options.gradients) {
    context.total = steps_of_pass(blocks, batches.size(), context.files);
    return pass_blocks(blocks, std::move(batches), context);
  }
  context.total = steps_of_gradient_pass(blocks, batches.size(), context.files);
  EndsFisher ends(model.spec());
  const HeadWatch watch = [&](const at::Tensor& x, const at::Tensor& g) { ends.see_head(x, g); };
  LastGradient last = [&, head = std::shared_ptr<const Head>()](
                          size_t index, const at::Tensor& output) mutable -> Result<at::Tensor> {
    if (head == nullptr) {
      NWC_ASSIGN_OR_RETURN(head, model.head());
    }
    return gradient_of_labels(*head, model.spec().vocab_size, output, drawn_labels(label_seed(options.seed, index)),
                              context.files.ends_missing() ? watch : HeadWatch());
  };
  GradientPassOptions pass_options{.scratch = options.output, .outputs = options.outputs};
  pass_options.at_input = [&](size_t index, const at::Tensor& gradient) {
    ends.see_embedding(torch::tensor(at::ArrayRef<int32_t>(sequences[index]), torch::kInt64), gradient);
  };
  pass_options.ends = [&](int64_t positions) {
    return ends.file(context.checkpoint, context.files.provenance(), positions);
  };
  return pass_with_gradients(blocks, std::move(batches), std::move(last), pass_options, context);
}

Result<CalibrateReport> run(CalibrateOptions options, std::span<const CalibrationText> texts,
                            const Progress& progress) {
  if (options.sequences < 1 || options.length < 1)
    return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(options.output, {options.model}, options.force));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  CalibrateReport report;
  NWC_ASSIGN_OR_RETURN(const CausalLm model, open_model(options, report.warnings));
  report.gradients = options.gradients;
  if (options.length > model.spec().max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}",
                                                          model.spec().max_positions, options.length))
        .in_file(options.model.string());
  }
  const Json provenance = provenance_of(options, texts);
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, checkpoint));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  HessianFiles files = HessianFiles::open(std::move(output), model.blocks(), provenance, options.gradients);
  for (const std::vector<std::string>* list : {&checkpoint.notes(), &files.warnings()})
    report.warnings.insert(report.warnings.end(), list->begin(), list->end());
  report.blocks = files.blocks();
  report.blocks_from_earlier_run = files.from_earlier_run();

  NWC_ASSIGN_OR_RETURN(DrawnSequences drawn, draw(options, texts, model, checkpoint, report.warnings));
  std::vector<CalibrationSequences::Sequence> sequences;
  for (const auto& of_text : drawn.texts) sequences.insert(sequences.end(), of_text.begin(), of_text.end());
  NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), {std::move(drawn.texts), provenance}));
  report.sequences = static_cast<int64_t>(drawn.batches.size());
  report.tokens = report.sequences * options.length;

  PassContext context{checkpoint, files, report, progress};
  NWC_RETURN_IF_ERROR(pass(options, model, std::move(drawn.batches), sequences, context));
  NWC_RETURN_IF_ERROR(files.finish());
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                  const Progress& progress) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    return run(options, texts, progress);
  });
}

}  // namespace nwc
