#include "learn/train.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "checkpoint/resumable_directory.h"
#include "codec/encode/encoder_codec.h"
#include "learn/dataset.h"
#include "learn/networks.h"
#include "learn/synthetic.h"
#include "learn/train_identity.h"
#include "learn/trainer.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStateName = "state";

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

}  // namespace

Status check_options(const TrainOptions& o) {
  const auto check_network = [](const char* name, NetworkShape shape) -> Status {
    if (shape.depth < 0 || shape.depth > limits::kMaxDepth)
      return invalid(std::string(name) + " depth must be 0 to " + std::to_string(limits::kMaxDepth));
    if (shape.width < 1 || shape.width > limits::kMaxWidth)
      return invalid(std::string(name) + " width must be 1 to " + std::to_string(limits::kMaxWidth));
    return {};
  };
  if (o.models.empty()) return invalid("no model to learn from");
  if (!(o.lambda >= kLeastLambda && o.lambda <= kMostLambda)) return invalid("lambda must lie between 0.001 and 1e9");
  if (o.chunk < 1 || o.chunk > limits::kMaxChunk)
    return invalid("chunk length must be 1 to " + std::to_string(limits::kMaxChunk));
  if (o.latents < 1 || o.latents > limits::kMaxLatents)
    return invalid("latents must be 1 to " + std::to_string(limits::kMaxLatents));
  if (o.level_coefficients.empty() || o.level_coefficients.size() > limits::kMaxLevels) {
    return invalid("there must be 1 to " + std::to_string(limits::kMaxLevels) + " level coefficients");
  }
  for (const double c : o.level_coefficients) {
    if (!(c >= kLeastCoefficient && c <= kMostCoefficient))
      return invalid("level coefficients must lie between 1e-6 and 1e6");
  }
  NWC_RETURN_IF_ERROR(check_network("analysis", o.analysis));
  NWC_RETURN_IF_ERROR(check_network("synthesis", o.synthesis));
  if (o.recipe == TrainRecipe::kLinearStart && o.latents < o.chunk)
    return invalid("the linear start needs at least as many latents as weights in a chunk");
  if (o.identity && o.recipe != TrainRecipe::kLinearStart)
    return invalid("identity transforms need the linear start, which sets their scale");
  if (o.identity && o.latents != o.chunk)
    return invalid("identity transforms have as many latents as weights in a chunk");
  if (o.identity && (o.from || o.teacher))
    return invalid("a codec to fine-tune or to learn from has transforms of its own; it cannot be made the identity");
  if (o.steps < 1 || o.steps > kMostSteps) return invalid("steps must be 1 to 2^40");
  if (o.batch < static_cast<int64_t>(o.level_coefficients.size()) || o.batch > kMostBatch)
    return invalid("a batch must have a chunk for each level at least, and 2^24 at most");
  if (o.max_chunks < 1 || o.max_chunks > kMostChunks) return invalid("chunks kept must be 1 to 2^40");
  if (o.validate_every < 1 || o.save_every < 1)
    return invalid("validations and saved states must be at least one step apart");
  if (!(o.heavy_share >= 0 && o.heavy_share <= kMostHeavyShare))
    return invalid("the share of heavy-tailed chunks must lie between 0 and 0.99");
  for (const double rate : {o.learning_rate, o.auxiliary_learning_rate}) {
    if (!(rate >= kLeastLearningRate && rate <= kMostLearningRate))
      return invalid("learning rates must lie between 1e-12 and 1");
  }
  return {};
}

namespace {

// Adds heavy-tailed chunks to real ones, so that they make up `share` of both sets.
void add_heavy_tails(double share, uint64_t seed, ChunkSet& data) {
  const double ratio = share / (1 - share);
  const auto extend = [&](std::vector<float>& set, uint64_t chunks, uint64_t stream) {
    const std::vector<float> heavy =
        heavy_tailed_chunks(static_cast<uint64_t>(ratio * static_cast<double>(chunks)), data.chunk, seed * 2 + stream);
    set.insert(set.end(), heavy.begin(), heavy.end());
  };
  extend(data.training, data.training_chunks(), 0);
  extend(data.validation, data.validation_chunks(), 1);
}

// Where the state of an unfinished run stands: the directory OUTPUT.training. Nothing else belongs there.
Result<ResumableDirectory> lock_state(const TrainOptions& options) {
  const fs::path directory = options.output.string() + ".training";
  NWC_ASSIGN_OR_RETURN(ResumableDirectory state,
                       ResumableDirectory::lock({.path = directory,
                                                 .inputs = options.models,
                                                 .force = options.force && !options.resume,
                                                 .replaceable = [](std::string_view) { return true; }}));
  std::error_code error;
  if (options.resume && !fs::exists(directory / kStateName, error)) {
    return Error(ErrorCode::kNotFound, "holds no state to go on from")
        .in_file(directory.string())
        .remedy("train without --resume");
  }
  return state;
}

// A codec to start from decides about shapes; what the user asked for beside it must agree.
Status take_shapes(const EncoderCodec& codec, TrainOptions& o) {
  const DecoderCodec& d = codec.decoder;
  if (o.level_coefficients.size() != d.levels()) {
    return Error(ErrorCode::kMismatch, "has " + std::to_string(d.levels()) + " levels, " +
                                           std::to_string(o.level_coefficients.size()) +
                                           " level coefficients are given");
  }
  if (!FactorizedDensityImpl::has_our_shape(codec.density))
    return Error(ErrorCode::kUnsupported, "has a density of another shape than nwcodec trains");
  const auto shape = [](const TransformWeights& w) {
    return NetworkShape{static_cast<int64_t>(w.width), static_cast<int64_t>(w.depth)};
  };
  o.chunk = d.chunk_length();
  o.latents = d.latents();
  o.analysis = shape(codec.analysis);
  if (!o.teacher) o.synthesis = shape(d.synthesis);
  o.density_per_level = codec.density.sets > 1;
  return {};
}

Result<TrainReport> train(TrainOptions options, const Progress& progress, const ValidationCallback& on_validation) {
  if (options.from && options.teacher) return invalid("a codec is either fine-tuned or a teacher");
  std::optional<EncoderCodec> start;
  if (const std::optional<fs::path>& path = options.teacher ? options.teacher : options.from) {
    NWC_ASSIGN_OR_RETURN(start, read_encoder_codec(*path));
    if (Status status = take_shapes(*start, options); !status) return std::move(status).error().in_file(path->string());
  }
  if (options.identity) options.analysis.depth = options.synthesis.depth = 0;
  NWC_RETURN_IF_ERROR(check_options(options));
  std::error_code error;
  if (fs::exists(options.output, error) && !options.force) {
    return Error(ErrorCode::kExists, "exists")
        .in_file(options.output.string())
        .remedy("choose another name, or pass --force");
  }
  const fs::path folder = fs::absolute(options.output).parent_path();
  if (!fs::is_directory(folder, error)) {
    return Error(ErrorCode::kNotFound, "cannot be created: there is no folder " + folder.string())
        .in_file(options.output.string());
  }
  NWC_ASSIGN_OR_RETURN(ResumableDirectory state, lock_state(options));
  const int threads = resolve_threads(options.threads);
  NWC_ASSIGN_OR_RETURN(ChunkSet data, load_chunks(options.models, options.selection, options.normalisation,
                                                  options.chunk, options.max_chunks, threads, progress));
  add_heavy_tails(options.heavy_share, options.seed, data);
  torch::set_num_threads(threads);
  NWC_ASSIGN_OR_RETURN(const RunIdentity run, identity_of(options, data, threads));
  NWC_RETURN_IF_ERROR(state.begin(run));
  const fs::path state_path = state.path() / kStateName;
  const auto earlier = state.has_from_earlier_run(kStateName) ? std::optional(state_path) : std::nullopt;
  NWC_ASSIGN_OR_RETURN(Trainer trainer, Trainer::make(options, run.digest(), data, start ? &*start : nullptr, earlier));
  const auto save = [&]() -> Status {
    NWC_RETURN_IF_ERROR(trainer.save(state_path));
    state.keep_progress();
    return {};
  };

  TrainReport report{data.training_chunks(), data.validation_chunks(), 0, {}};
  while (trainer.step() < options.steps) {
    if (Status status = progress.check_stop(); !status) {
      NWC_RETURN_IF_ERROR(save());
      return std::move(status).error().remedy("repeat the command to go on");
    }
    trainer.advance();
    const int64_t step = trainer.step();
    progress.at(static_cast<uint64_t>(step), static_cast<uint64_t>(options.steps), "training");
    if (step % options.validate_every == 0 || step == options.steps) {
      const double loss = trainer.mean_loss();
      if (!std::isfinite(loss)) {
        NWC_RETURN_IF_ERROR(state.remove());  // nobody wants to go on from there
        return Error(ErrorCode::kInternal, "training diverged before step " + std::to_string(step))
            .remedy("lower the learning rate");
      }
      report.validation_loss = trainer.validate(report.levels);
      if (on_validation) on_validation(step, loss, report.validation_loss, report.levels);
    }
    if (step % options.save_every == 0 && step < options.steps) NWC_RETURN_IF_ERROR(save());
  }
  if (report.levels.empty()) report.validation_loss = trainer.validate(report.levels);
  NWC_RETURN_IF_ERROR(write_encoder_codec(options.output, trainer.finish()));
  NWC_RETURN_IF_ERROR(state.remove());
  return report;
}

}  // namespace

Result<TrainReport> train_codec(const TrainOptions& options, const Progress& progress,
                                const ValidationCallback& on_validation) {
  try {
    return train(options, progress, on_validation);
  } catch (const c10::OutOfMemoryError&) {
    return Error(ErrorCode::kInternal, "the GPU is out of memory").remedy("lower --batch or --max-chunks");
  } catch (const c10::Error& e) {
    return Error(ErrorCode::kInternal, std::string("LibTorch: ") + e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kInternal, "out of memory").remedy("lower --max-chunks or --batch");
  } catch (const std::exception& e) {
    return Error(ErrorCode::kInternal, std::string("LibTorch: ") + e.what());
  }
}

}  // namespace nwc
