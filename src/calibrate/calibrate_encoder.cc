#include <fmt/format.h>
#include <torch/torch.h>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibrate.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/hessian_files.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/threads.h"
#include "model/encoders/encoder_inputs.h"
#include "model/encoders/encoder_model.h"

namespace nwc {
namespace {

constexpr int64_t kBatch = 8;  // images or texts: some thousand positions

int64_t batches_of(int64_t count) { return (count + kBatch - 1) / kBatch; }

Json provenance_of(const EncoderModel& model, const EncoderInputs& inputs, ModelDevice device) {
  Json towers = Json::object();
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    towers[name] = {{"inputs", inputs.count(name)}, {"hash", hex64(inputs.hash(name))}};
  }
  Json provenance = {{"file", inputs.path().filename().string()}, {"towers", towers}};
  if (!device.is_cpu()) provenance["device"] = "cuda";
  provenance["machine"] = machine_class(device);
  return provenance;
}

Result<RunIdentity> identity_of(const CalibrateOptions& options, const EncoderModel& model, const EncoderInputs& inputs,
                                const Checkpoint& checkpoint) {
  RunIdentity identity("calibrate");
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    identity.add(fmt::format("inputs of the {} tower", name),
                 std::string_view(fmt::format("{}, {}", inputs.count(name), hex64(inputs.hash(name)))));
  }
  NWC_RETURN_IF_ERROR(add_model(options.model, checkpoint, options.device, options.threads, identity));
  return identity;
}

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
  HessianFiles files = HessianFiles::open(std::move(output), blocks, provenance_of(model, inputs, options.device));
  report.warnings.insert(report.warnings.end(), files.warnings().begin(), files.warnings().end());
  report.blocks = blocks;
  report.blocks_from_earlier_run = files.from_earlier_run();
  PassProgress steps{progress};
  size_t first = 0;
  for (const EncoderTower& tower : model.towers()) {
    const int64_t count = inputs.count(tower.spec().name);
    if (count == 0) continue;
    steps.total += files.needed(first, tower.blocks()) * static_cast<uint64_t>(batches_of(count));
    first += tower.blocks();
  }
  first = 0;
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    const int64_t count = inputs.count(name);
    if (count == 0) continue;
    std::vector<Batch> batches;
    {
      NWC_ASSIGN_OR_RETURN(const auto input, tower.input());
      for (int64_t begin = 0; begin < count; begin += kBatch) {
        NWC_RETURN_IF_ERROR(progress.check_stop());
        const int64_t some = std::min(kBatch, count - begin);
        batches.push_back({input->forward(inputs.batch(name, begin, some)),
                           fmt::format("inputs {} to {} of the {} tower", begin + 1, begin + some, name)});
        if (!is_finite(batches.back().hidden)) {
          return input_not_finite(batches.back().name, tensors_of(tower.spec().input).front().name, checkpoint);
        }
      }
    }
    report.sequences += count;
    for (const Batch& batch : batches) report.tokens += batch.hidden.size(0) * batch.hidden.size(1);
    NWC_RETURN_IF_ERROR(pass_blocks(tower, batches, files, first, checkpoint, steps, report));
    first += tower.blocks();
  }
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
