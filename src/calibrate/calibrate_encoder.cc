#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/random_variates.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibrate.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/finite_check.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/hessian_files.h"
#include "calibrate/labels.h"
#include "calibrate/shared_run.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/encoders/encoder_inputs.h"
#include "model/encoders/encoder_model.h"
#include "team/team.h"
#include "weights/not_compressed.h"

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

// The way of all inputs of one tower, which each device has for itself.
struct TowerPass {
  std::vector<const EncoderTower*> towers;
  const EncoderInputs& inputs;
  size_t first = 0;  // block

  const std::string& name() const { return towers[0]->spec().name; }
  int64_t count() const { return inputs.count(name()); }
  BlockStack blocks() const { return BlockStack::of(*towers[0], first); }

  // Of so many batches.
  uint64_t steps(const CalibrateOptions& options, size_t batches, const HessianFiles& files) const {
    return options.gradients ? steps_of_gradient_pass(blocks(), batches, files)
                             : steps_of_pass(blocks(), batches, files);
  }

  at::Tensor input_of(size_t batch) const {
    const int64_t begin = static_cast<int64_t>(batch) * kBatch;
    return inputs.batch(name(), begin, std::min(kBatch, count() - begin));
  }

  // `dealt`: which batches each lane takes.
  Status run(const CalibrateOptions& options, const std::vector<std::vector<size_t>>& dealt,
             PassContext& context) const {
    std::vector<Lane> lanes;
    std::vector<double> positions{0.0};
    for (size_t l = 0; l < towers.size(); ++l) {
      NWC_ASSIGN_OR_RETURN(std::vector<Batch> batches, first_hidden(*towers[l], dealt[l], context));
      for (const Batch& batch : batches)
        positions[0] += static_cast<double>(batch.hidden.size(0) * batch.hidden.size(1));
      lanes.push_back({BlockStack::of(*towers[l], first), std::move(batches)});
      if (options.gradients) lanes[l].last_gradient = last_gradient(options, *towers[l]);
    }
    NWC_RETURN_IF_ERROR(context.team.gather(positions));
    context.report.tokens += static_cast<int64_t>(positions[0]);
    if (!options.gradients) return pass_blocks(std::move(lanes), context);
    return pass_with_gradients(std::move(lanes), {.scratch = options.output, .outputs = options.outputs}, context);
  }

 private:
  static constexpr size_t kManyBatches = size_t{1} << 24;  // so that towers have seeds of their own

  LastGradient last_gradient(const CalibrateOptions& options, const EncoderTower& tower) const {
    return [&, end = std::shared_ptr<const EncoderOutput>()](size_t index,
                                                             const at::Tensor& hidden) mutable -> Result<at::Tensor> {
      if (end == nullptr) {
        NWC_ASSIGN_OR_RETURN(end, tower.output());
      }
      return gradient_of_noise([&](const at::Tensor& h) { return end->forward(h, input_of(index)); }, hidden,
                               seed_of_part(options.seed, first * kManyBatches + index));
    };
  }

  Result<std::vector<Batch>> first_hidden(const EncoderTower& tower, const std::vector<size_t>& dealt,
                                          PassContext& context) const {
    std::vector<Batch> batches;
    NWC_ASSIGN_OR_RETURN(const auto input, tower.input());
    for (const size_t index : dealt) {
      NWC_RETURN_IF_ERROR(context.progress.check_stop());
      const int64_t begin = static_cast<int64_t>(index) * kBatch, end = std::min(begin + kBatch, count());
      batches.push_back({input->forward(input_of(index)),
                         fmt::format("inputs {} to {} of the {} tower", begin + 1, end, name()), index});
      if (!is_finite(batches.back().hidden))
        return input_not_finite(batches.back().name, tensors_of(tower.spec().input).front().name, context.checkpoint);
    }
    return batches;
  }
};

Result<std::vector<EncoderModel>> open_models(const CalibrateOptions& options) {
  NWC_ASSIGN_OR_RETURN(const std::vector<ModelDevice> devices, devices_of(options));
  std::vector<EncoderModel> models;
  for (const ModelDevice device : devices) {
    NWC_ASSIGN_OR_RETURN(EncoderModel model, EncoderModel::open(options.model, options.threads, device));
    models.push_back(std::move(model));
  }
  return models;
}

// Those of the towers that have inputs.
std::vector<TowerPass> passes_of(const std::vector<EncoderModel>& models, const EncoderInputs& inputs) {
  std::vector<TowerPass> passes;
  size_t first = 0;
  for (size_t t = 0; t < models[0].towers().size(); ++t) {
    if (inputs.count(models[0].towers()[t].spec().name) == 0) continue;
    TowerPass& pass = passes.emplace_back(TowerPass{{}, inputs, first});
    for (const EncoderModel& model : models) pass.towers.push_back(&model.towers()[t]);
    first += pass.towers[0]->blocks();
  }
  return passes;
}

// For the report: images and texts, blocks, and towers that have no input.
void count_inputs(const EncoderModel& model, const EncoderInputs& inputs, CalibrateReport& report) {
  for (const EncoderTower& tower : model.towers()) {
    const std::string& name = tower.spec().name;
    report.sequences += inputs.count(name);
    if (inputs.count(name) > 0) report.blocks += tower.blocks();
    if (inputs.count(name) == 0) {
      report.warnings.push_back(
          fmt::format("{} has no input for the {} tower, which is not calibrated; compress with --exclude on its "
                      "tensors",
                      inputs.path().filename().string(), name));
    }
  }
}

Result<CalibrateReport> run(const CalibrateOptions& options, const std::filesystem::path& path,
                            const Progress& progress, Team& team) {
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(std::optional<ResumableDirectory> output, lock_output(options, team));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
  NWC_ASSIGN_OR_RETURN(const std::vector<EncoderModel> models, open_models(options));
  NWC_ASSIGN_OR_RETURN(const EncoderInputs inputs, EncoderInputs::open(path, models[0].spec()));
  CalibrateReport report;
  count_inputs(models[0], inputs, report);
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, models[0], inputs, checkpoint));
  NWC_RETURN_IF_ERROR(begin_together(output, identity, team));
  NWC_ASSIGN_OR_RETURN(
      HessianFiles files,
      open_together(std::move(output), report.blocks, provenance_of(options, models[0], inputs), /*ends=*/false, team));
  report.warnings.insert(report.warnings.end(), files.warnings().begin(), files.warnings().end());
  report.blocks_from_earlier_run = files.from_earlier_run();
  report.gradients = options.gradients;
  PassContext context{checkpoint, files, report, progress, team};
  const std::vector<TowerPass> passes = passes_of(models, inputs);
  std::vector<std::vector<std::vector<size_t>>> dealt;  // [pass][lane]
  for (const TowerPass& pass : passes) {
    NWC_ASSIGN_OR_RETURN(auto of_lanes,
                         deal_out(static_cast<size_t>(batches_of(pass.count())), 1, models.size(), team));
    size_t batches = 0;
    for (const std::vector<size_t>& of_lane : of_lanes) batches += of_lane.size();
    context.total += pass.steps(options, batches, files);
    dealt.push_back(std::move(of_lanes));
  }
  for (size_t p = 0; p < passes.size(); ++p) NWC_RETURN_IF_ERROR(passes[p].run(options, dealt[p], context));
  NWC_RETURN_IF_ERROR(files.finish());
  NWC_RETURN_IF_ERROR(team.meet());
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate_encoder(const CalibrateOptions& options, const std::filesystem::path& inputs,
                                          const Progress& progress, Team* team) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    const std::unique_ptr<Team> alone = make_solo_team();
    return run(options, inputs, progress, team != nullptr ? *team : *alone);
  });
}

}  // namespace nwc
