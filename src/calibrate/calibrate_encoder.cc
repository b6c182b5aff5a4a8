#include <fmt/format.h>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibrate.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/finite_check.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/hessian_files.h"
#include "calibrate/labels.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/encoders/encoder_inputs.h"
#include "model/encoders/encoder_model.h"

namespace nwc {
namespace {

constexpr int64_t kBatch = 8;  // images or texts: some thousand positions

int64_t batches_of(int64_t count) { return (count + kBatch - 1) / kBatch; }

Json provenance_of(const CalibrateOptions& options, const EncoderModel& model, const EncoderInputs& inputs) {
  Json towers = Json::object();
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    towers[name] = {{"inputs", inputs.count(name)}, {"hash", hex64(inputs.hash(name))}};
  }
  Json provenance = {{"file", inputs.path().filename().string()}, {"towers", towers}};
  add_gradients(options, provenance);
  if (options.gradients) provenance["seed"] = options.seed;  // of the noise
  if (!options.device.is_cpu()) provenance["device"] = "cuda";
  provenance["machine"] = machine_class(options.device);
  return provenance;
}

Result<RunIdentity> identity_of(const CalibrateOptions& options, const EncoderModel& model, const EncoderInputs& inputs,
                                const Checkpoint& checkpoint) {
  RunIdentity identity("calibrate");
  add_gradients(options, identity);
  if (options.gradients) identity.add("seed", options.seed);
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    identity.add(fmt::format("inputs of the {} tower", name),
                 std::string_view(fmt::format("{}, {}", inputs.count(name), hex64(inputs.hash(name)))));
  }
  NWC_RETURN_IF_ERROR(add_model(options.model, checkpoint, options.device, options.threads, identity));
  return identity;
}

// The way of all inputs of one tower.
struct TowerPass {
  const EncoderTower& tower;
  const EncoderInputs& inputs;
  BlockStack stack;

  int64_t count() const { return inputs.count(tower.spec().name); }

  uint64_t steps(const CalibrateOptions& options, const HessianFiles& files) const {
    const auto batches = static_cast<size_t>(batches_of(count()));
    return options.gradients ? steps_of_gradient_pass(stack, batches, files) : steps_of_pass(stack, batches, files);
  }

  at::Tensor input_of(size_t batch) const {
    const int64_t begin = static_cast<int64_t>(batch) * kBatch;
    return inputs.batch(tower.spec().name, begin, std::min(kBatch, count() - begin));
  }

  Status run(const CalibrateOptions& options, PassContext& context) const {
    NWC_ASSIGN_OR_RETURN(std::vector<Batch> batches, first_hidden(context));
    context.report.sequences += count();
    for (const Batch& batch : batches) context.report.tokens += batch.hidden.size(0) * batch.hidden.size(1);
    if (!options.gradients) return pass_blocks(stack, std::move(batches), context);
    LastGradient last = [&, end = std::shared_ptr<const EncoderOutput>()](
                            size_t index, const at::Tensor& hidden) mutable -> Result<at::Tensor> {
      if (end == nullptr) {
        NWC_ASSIGN_OR_RETURN(end, tower.output());
      }
      return gradient_of_noise([&](const at::Tensor& h) { return end->forward(h, input_of(index)); }, hidden,
                               label_seed(options.seed, stack.first * kManyBatches + index));
    };
    return pass_with_gradients(stack, std::move(batches), std::move(last),
                               {.scratch = options.output, .outputs = options.outputs}, context);
  }

 private:
  static constexpr size_t kManyBatches = size_t{1} << 24;  // so that towers have seeds of their own

  Result<std::vector<Batch>> first_hidden(PassContext& context) const {
    std::vector<Batch> batches;
    NWC_ASSIGN_OR_RETURN(const auto input, tower.input());
    for (int64_t begin = 0; begin < count(); begin += kBatch) {
      NWC_RETURN_IF_ERROR(context.progress.check_stop());
      const int64_t some = std::min(kBatch, count() - begin);
      batches.push_back({input->forward(input_of(batches.size())),
                         fmt::format("inputs {} to {} of the {} tower", begin + 1, begin + some, tower.spec().name)});
      if (!is_finite(batches.back().hidden)) {
        return input_not_finite(batches.back().name, tensors_of(tower.spec().input).front().name, context.checkpoint);
      }
    }
    return batches;
  }
};

Result<CalibrateReport> run(const CalibrateOptions& options, const std::filesystem::path& path,
                            const Progress& progress) {
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(options.output, {options.model}, options.force));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const EncoderModel model, EncoderModel::open(options.model, options.threads, options.device));
  NWC_ASSIGN_OR_RETURN(const EncoderInputs inputs, EncoderInputs::open(path, model.spec()));
  CalibrateReport report;
  size_t blocks = 0;
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    if (inputs.count(name) > 0) blocks += tower.blocks();
    if (inputs.count(name) == 0) {
      report.warnings.push_back(fmt::format(
          "{} has no input for the {} tower, which is not calibrated; compress with --exclude on its tensors",
          path.filename().string(), name));
    }
  }
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, model, inputs, checkpoint));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  HessianFiles files = HessianFiles::open(std::move(output), blocks, provenance_of(options, model, inputs));
  report.warnings.insert(report.warnings.end(), files.warnings().begin(), files.warnings().end());
  report.blocks = blocks;
  report.blocks_from_earlier_run = files.from_earlier_run();
  report.gradients = options.gradients;
  PassContext context{checkpoint, files, report, progress};
  std::vector<TowerPass> passes;
  for (const EncoderTower& tower : model.towers()) {
    if (inputs.count(tower.spec().name) == 0) continue;
    const BlockStack stack =
        BlockStack::of(tower, passes.empty() ? 0 : passes.back().stack.first + passes.back().stack.count);
    passes.push_back({tower, inputs, stack});
    context.total += passes.back().steps(options, files);
  }
  for (const TowerPass& pass : passes) NWC_RETURN_IF_ERROR(pass.run(options, context));
  NWC_RETURN_IF_ERROR(files.finish());
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate_encoder(const CalibrateOptions& options, const std::filesystem::path& inputs,
                                          const Progress& progress) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    return run(options, inputs, progress);
  });
}

}  // namespace nwc
