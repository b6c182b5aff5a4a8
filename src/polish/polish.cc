#include "polish/polish.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "base/parallel.h"
#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "decode/layered_store.h"
#include "format/stream_header.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/threads.h"
#include "model/config/stored_names.h"
#include "model/families/family.h"
#include "polish/training.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Two models whose weights in float32 take no more than this stay in memory.
constexpr uint64_t kKeptBytes = uint64_t{8} << 30;

Status check(const PolishOptions& o, std::span<const std::vector<int32_t>> texts, std::span<const int32_t> held_out) {
  if (o.steps < 1 || o.batch < 1 || o.length < 2 || !(o.rate >= 0 && o.rate <= 1) || !(o.growth >= 0 && o.growth <= 1))
    return Error(ErrorCode::kInvalidArgument,
                 "polishing takes steps, sequences of two tokens, and a rate of at most 1");
  const auto length = static_cast<size_t>(o.length);
  const auto is_short = [&](const std::vector<int32_t>& text) { return text.size() < length; };
  if (texts.empty() || std::any_of(texts.begin(), texts.end(), is_short) || held_out.size() < length) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a text is too short for sequences of {} tokens, a tenth of them held out", o.length))
        .remedy("give longer texts, or a smaller --length");
  }
  return {};
}

double default_rate(double divergence) {
  return std::min(kRateOfErrors * std::sqrt(divergence), kRateOfDivergence * divergence);
}

// An original has the tensors of what was made from it.
Status check_same_tensors(const WeightStore& compressed, const Weights& reference) {
  for (const auto& [name, weight] : compressed.weights()) {
    const WeightInfo* const original = reference.find(name);
    const char* const why = original == nullptr                    ? "is not in the reference"
                            : original->shape != weight.info.shape ? "has another shape in the reference"
                                                                   : nullptr;
    if (why == nullptr) continue;
    return Error(ErrorCode::kMismatch, why)
        .in_file(reference.directory().string())
        .in_tensor(name)
        .remedy("give the checkpoint that was compressed");
  }
  return {};
}

Result<RunIdentity> identity_of(const PolishOptions& o, std::span<const std::vector<int32_t>> texts,
                                std::span<const int32_t> held_out, const WeightStore& compressed,
                                const Checkpoint& reference) {
  RunIdentity identity("polish");
  identity.add("steps", o.steps);
  identity.add("batch", o.batch);
  identity.add("length", o.length);
  identity.add("rate", o.rate);
  identity.add("growth", o.growth);
  identity.add("seed", o.seed);
  for (size_t i = 0; i < texts.size(); ++i)
    identity.add_hash(fmt::format("text {}", i + 1), xxh3(std::as_bytes(std::span(texts[i]))));
  identity.add_hash("held-out text", xxh3(std::as_bytes(held_out)));
  identity.add("machine", std::string_view(machine_class(o.device)));
  if (o.device.is_cpu()) identity.add("threads", resolve_threads(o.threads));
  NWC_RETURN_IF_ERROR(identity.add_file("codec", o.compressed / kCodecFileName));
  identity.add_weights("weights", compressed.checkpoint(), o.threads);
  identity.add_weights("reference", reference, o.threads);
  return identity;
}

uint64_t float32_bytes(const WeightStore& store) {
  uint64_t elements = 0;
  for (const auto& [name, weight] : store.weights()) elements += weight.info.elements();
  return elements * sizeof(float);
}

uint64_t weight_file_bytes(const fs::path& directory, const Checkpoint& checkpoint) {
  std::error_code ignored;
  uint64_t bytes = fs::file_size(directory / kCodecFileName, ignored);
  for (const SafetensorsFile& shard : checkpoint.shards())
    bytes += fs::file_size(directory / shard.path().filename(), ignored);
  return bytes;
}

// One run, once its output directory is its own.
class Polishing {
 public:
  Polishing(const PolishOptions& options, const WeightStore& store, const CausalLm& reference,
            std::span<const int32_t> held_out, const Progress& progress)
      : options_(options), store_(store), reference_(reference), held_out_(held_out), progress_(progress) {}

  Status open_model(bool keep) {
    NWC_ASSIGN_OR_RETURN(ModelSpec described, describe_model(options_.compressed));
    NWC_ASSIGN_OR_RETURN(Weights weights, Weights::open(options_.compressed, options_.backend));
    NWC_ASSIGN_OR_RETURN(ModelSpec spec, with_stored_names(std::move(described), weights));
    if (options_.length > spec.max_positions) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the model was made for {} positions, fewer than --length {}", spec.max_positions,
                               options_.length))
          .in_file(options_.compressed.string());
    }
    NWC_ASSIGN_OR_RETURN(Factors factors, Factors::of(store_, spec));
    factors_ = std::make_unique<Factors>(std::move(factors));
    source_ = std::make_shared<FactoredSource>(
        std::make_shared<const WeightsSource>(std::move(weights), options_.threads, options_.device), *factors_,
        to_device(torch::zeros({factors_->count()}, torch::kFloat32), options_.device), keep);
    NWC_ASSIGN_OR_RETURN(CausalLm model, CausalLm::create(std::move(spec), source_, {}));
    model_ = std::make_unique<CausalLm>(std::move(model));
    return {};
  }

  Result<PolishReport> run(std::span<const std::vector<int32_t>> texts, const RunIdentity& identity,
                           ResumableDirectory& output) {
    PolishReport report;
    report.factors = factors_->count();
    NWC_ASSIGN_OR_RETURN(report.before, measure_model(*model_));
    NWC_ASSIGN_OR_RETURN(TrainingState state, state_of(identity, output, report));
    const auto keep = [&](const TrainingState& now) -> Status {
      NWC_RETURN_IF_ERROR(write_state(state_file(output), now, identity.digest()));
      output.keep_progress();
      return {};
    };
    PolishOptions training = options_;
    if (training.rate == 0) training.rate = default_rate(report.before.mean_kl);
    if (factors_->count() > 0) {
      const auto measure = [&](const at::Tensor& theta) { return divergence_with(theta); };
      NWC_RETURN_IF_ERROR(
          train_factors({reference_, *model_, *source_, *factors_}, training, texts, state, measure, keep, progress_));
    }
    report.steps = state.step;
    NWC_RETURN_IF_ERROR(write(state, output, report));
    report.input_bytes = weight_file_bytes(options_.compressed, store_.checkpoint());
    report.output_bytes = weight_file_bytes(output.path(), store_.checkpoint());
    if (options_.before_finish) NWC_RETURN_IF_ERROR(options_.before_finish(output.path(), report.after));
    NWC_RETURN_IF_ERROR(output.finish());
    progress_.at(static_cast<uint64_t>(options_.steps), static_cast<uint64_t>(options_.steps), "done");
    return report;
  }

 private:
  static fs::path state_file(const ResumableDirectory& output) {
    return ResumableDirectory::work_folder(output.path()) / "polish.safetensors";
  }

  // That of an interrupted run, or the first.
  Result<TrainingState> state_of(const RunIdentity& identity, const ResumableDirectory& output, PolishReport& report) {
    const auto count = static_cast<size_t>(factors_->count());
    std::error_code failure;
    fs::create_directories(ResumableDirectory::work_folder(output.path()), failure);
    if (failure) return Error(ErrorCode::kIo, failure.message()).in_file(output.path().string());
    Result<TrainingState> kept = read_state(state_file(output), count, identity.digest());
    if (kept) {
      report.steps_from_earlier_run = kept->step;
      return kept;
    }
    if (kept.error().code() != ErrorCode::kNotFound) report.warnings.push_back(made_again(kept.error()));
    const std::vector<float> zeros(count);
    const double before = report.before.mean_kl;
    return TrainingState{.theta = zeros, .first = zeros, .second = zeros, .before = before, .best_divergence = before};
  }

  Result<DivergenceResult> measure_model(const CausalLm& model) const {
    return divergence(reference_, model, held_out_, {.context = options_.length}, {.stop = progress_.stop});
  }
  Result<double> divergence_with(const at::Tensor& theta) {
    source_->set_theta(theta);
    NWC_ASSIGN_OR_RETURN(const DivergenceResult measured, measure_model(*model_));
    return measured.mean_kl;
  }

  // What of the best state is stored: corrections as fine as the size allows, if they still are of use.
  Result<StoredChanges> choose(const TrainingState& state, PolishReport& report) {
    if (state.best.empty()) return StoredChanges();
    const at::Tensor best = to_device(torch::tensor(at::ArrayRef<float>(state.best), torch::kFloat32), options_.device);
    const double room =
        options_.growth * static_cast<double>(weight_file_bytes(options_.compressed, store_.checkpoint()));
    for (unsigned bits = kMaxCorrectionBits;; --bits) {
      StoredChanges changes = factors_->changes(best, bits);
      NWC_ASSIGN_OR_RETURN(const int64_t added, added_bytes(store_, changes));
      if (static_cast<double>(added) <= room) {
        NWC_ASSIGN_OR_RETURN(const double divergence, divergence_with(factors_->rounded(best, bits)));
        if (divergence < report.before.mean_kl - kLeastGain) {
          report.changed = true;
          report.correction_bits = changes.corrections.empty() ? 0 : bits;
          return changes;
        }
      }
      if (bits == 0) return StoredChanges();
    }
  }

  Status write(const TrainingState& state, const ResumableDirectory& output, PolishReport& report) {
    NWC_ASSIGN_OR_RETURN(const StoredChanges changes, choose(state, report));
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                         write_changed(store_, changes, output.path(), progress_));
    report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
    report.after = report.before;
    if (!report.changed) return {};
    NWC_ASSIGN_OR_RETURN(const CausalLm written,
                         CausalLm::open(output.path(), {.threads = options_.threads, .device = options_.device}));
    NWC_ASSIGN_OR_RETURN(report.after, measure_model(written));
    if (report.after.mean_kl < report.before.mean_kl - kLeastGain) return {};
    report.changed = false;
    report.after = report.before;
    const Result<std::vector<std::string>> again = write_changed(store_, {}, output.path(), progress_);
    return again ? Status() : Status(again.error());
  }

  const PolishOptions& options_;
  const WeightStore& store_;
  const CausalLm& reference_;
  std::span<const int32_t> held_out_;
  const Progress& progress_;
  std::unique_ptr<Factors> factors_;
  std::shared_ptr<FactoredSource> source_;
  std::unique_ptr<CausalLm> model_;
};

Result<PolishReport> run(const PolishOptions& options, std::span<const std::vector<int32_t>> texts,
                         std::span<const int32_t> held_out, const Progress& progress) {
  NWC_RETURN_IF_ERROR(check(options, texts, held_out));
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(
      ResumableDirectory output,
      ResumableDirectory::lock(
          {.path = options.output, .inputs = {options.compressed, options.reference}, .force = options.force}));
  NWC_RETURN_IF_ERROR(check_one_layer(options.compressed));
  NWC_ASSIGN_OR_RETURN(const WeightStore store, WeightStore::open(options.compressed));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(options.compressed.string())
        .remedy("give what nwcodec compress wrote");
  }
  {
    NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(options.reference));
    NWC_RETURN_IF_ERROR(check_same_tensors(store, weights));
  }
  const bool keep = 2 * float32_bytes(store) <= kKeptBytes;
  NWC_ASSIGN_OR_RETURN(const CausalLm reference,
                       CausalLm::open(options.reference, {.residency = keep ? Residency::kAll : Residency::kNone,
                                                          .threads = options.threads,
                                                          .device = options.device}));
  Polishing polishing(options, store, reference, held_out, progress);
  NWC_RETURN_IF_ERROR(polishing.open_model(keep));
  NWC_ASSIGN_OR_RETURN(const Checkpoint original, Checkpoint::open(options.reference));
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, held_out, store, original));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  return polishing.run(texts, identity, output);
}

}  // namespace

Result<PolishReport> polish(const PolishOptions& options, std::span<const std::vector<int32_t>> texts,
                            std::span<const int32_t> held_out, const Progress& progress) {
  return catch_foreign("polishing", [&] { return run(options, texts, held_out, progress); });
}

}  // namespace nwc
