#include "calibrate/calibrate.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/hessian_files.h"
#include "calibrate/sequences.h"
#include "guide/calibration_sequences.h"
#include "guide/hessian_store.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
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
  for (size_t i = 0; i < texts.size(); ++i) {
    identity.add(fmt::format("text {}", i + 1),
                 std::string_view(fmt::format("{} tokens, {}", texts[i].ids.size(), hash_of(texts[i]))));
  }
  NWC_RETURN_IF_ERROR(add_model(options.model, checkpoint, options.device, options.threads, identity));
  return identity;
}

Result<CalibrateReport> run(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                            const Progress& progress) {
  if (options.sequences < 1 || options.length < 1)
    return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(options.output, {options.model}, options.force));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(
      const CausalLm model,
      CausalLm::open(options.model, {.head = false, .threads = options.threads, .device = options.device}));
  if (options.length > model.spec().max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}",
                                                          model.spec().max_positions, options.length))
        .in_file(options.model.string());
  }
  const Json provenance = provenance_of(options, texts);
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, checkpoint));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  HessianFiles files = HessianFiles::open(std::move(output), model.blocks(), provenance);
  CalibrateReport report;
  report.warnings = checkpoint.notes();
  report.warnings.insert(report.warnings.end(), files.warnings().begin(), files.warnings().end());
  report.blocks = files.blocks();
  report.blocks_from_earlier_run = files.from_earlier_run();

  std::vector<Batch> batches;
  CalibrationSequences drawn{.calibration = provenance};
  NWC_ASSIGN_OR_RETURN(auto embedding, model.embedding());
  for (const CalibrationText& text : texts) {
    Result<std::vector<int64_t>> begins = draw_sequences(text.ids, options.length, options.sequences, options.seed);
    if (!begins) return std::move(begins).error().in_file(text.name);
    if (static_cast<int64_t>(begins->size()) < options.sequences) {
      report.warnings.push_back(
          fmt::format("{} has only {} sequences of {} tokens", text.name, begins->size(), options.length));
    }
    std::vector<CalibrationSequences::Sequence>& of_text = drawn.texts.emplace_back();
    for (const int64_t begin : *begins) {
      of_text.emplace_back(text.ids.begin() + begin, text.ids.begin() + begin + options.length);
      const at::Tensor ids =
          torch::tensor(at::ArrayRef<int32_t>(text.ids.data() + begin, static_cast<size_t>(options.length)),
                        torch::kInt64)
              .unsqueeze(0);
      batches.push_back({embedding->forward(ids), fmt::format("sequence {} of {}", of_text.size(), text.name)});
      if (!is_finite(batches.back().hidden))
        return input_not_finite(batches.back().name, model.spec().embedding, checkpoint);
    }
  }
  embedding.reset();  // only the blocks are needed from here on
  NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), drawn));
  report.sequences = static_cast<int64_t>(batches.size());
  report.tokens = report.sequences * options.length;

  PassProgress steps{progress, files.needed(0, files.blocks()) * batches.size()};
  NWC_RETURN_IF_ERROR(pass_blocks(model, batches, files, 0, checkpoint, steps, report));
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
