#include "learn/train.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/parallel.h"
#include "encode/codec_tables.h"
#include "encode/encoder_codec.h"
#include "encode/quality.h"
#include "learn/dataset.h"
#include "learn/networks.h"
#include "learn/synthetic.h"
#include "nwcodec/limits.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// With the linear start the density is what has furthest to go; it learns this much faster than the networks.
constexpr double kDensityRate = 10.0;

constexpr int64_t kValidationChunks = 16384;  // at most; validation is repeated often

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

Status check_options(const TrainOptions& o) {
  const auto check_network = [](const char* name, NetworkShape shape) -> Status {
    if (shape.depth < 0 || shape.depth > limits::kMaxDepth) return invalid(std::string(name) + " depth must be 0 to " + std::to_string(limits::kMaxDepth));
    if (shape.width < 1 || shape.width > limits::kMaxWidth) return invalid(std::string(name) + " width must be 1 to " + std::to_string(limits::kMaxWidth));
    return {};
  };
  if (o.models.empty()) return invalid("no model to learn from");
  if (!(o.lambda >= 1e-3 && o.lambda <= 1e9)) return invalid("lambda must lie between 0.001 and 1e9");
  if (o.chunk < 1 || o.chunk > limits::kMaxChunk) return invalid("chunk length must be 1 to " + std::to_string(limits::kMaxChunk));
  if (o.latents < 1 || o.latents > limits::kMaxLatents) return invalid("latents must be 1 to " + std::to_string(limits::kMaxLatents));
  if (o.level_coefficients.empty() || o.level_coefficients.size() > limits::kMaxLevels) {
    return invalid("there must be 1 to " + std::to_string(limits::kMaxLevels) + " level coefficients");
  }
  for (const double c : o.level_coefficients) {
    if (!(c > 0 && c < 1e6)) return invalid("level coefficients must be positive");
  }
  NWC_RETURN_IF_ERROR(check_network("analysis", o.analysis));
  NWC_RETURN_IF_ERROR(check_network("synthesis", o.synthesis));
  if (o.recipe == TrainRecipe::kLinearStart && o.latents < o.chunk) return invalid("the linear start needs at least as many latents as weights in a chunk");
  if (o.identity && o.recipe != TrainRecipe::kLinearStart) return invalid("identity transforms need the linear start, which sets their scale");
  if (o.identity && o.latents != o.chunk) return invalid("identity transforms have as many latents as weights in a chunk");
  if (o.identity && o.from) return invalid("a codec to fine-tune has transforms of its own; it cannot be made the identity");
  if (o.steps < 1 || o.batch < static_cast<int64_t>(o.level_coefficients.size())) return invalid("steps and batch must be positive");
  if (o.validate_every < 1 || o.save_every < 1) return invalid("validations and saved states must be at least one step apart");
  if (!(o.heavy_share >= 0 && o.heavy_share < 1)) return invalid("the share of heavy-tailed chunks must be at least 0 and below 1");
  if (!(o.learning_rate > 0 && o.auxiliary_learning_rate > 0)) return invalid("learning rates must be positive");
  return {};
}

// Everything that decides about the result, as the codec's provenance and as the fingerprint of a saved state.
Json recipe_of(const TrainOptions& o, const ChunkSet& data) {
  Json models = Json::array();
  for (const fs::path& model : o.models) models.push_back(fs::absolute(model).lexically_normal().filename().string());
  const auto shape = [](NetworkShape s) { return Json{{"width", s.width}, {"depth", s.depth}}; };
  return Json{{"nwcodec", NWCODEC_VERSION_STRING},
              {"models", models},
              {"tensors", data.tensors.size()},
              {"training_chunks", data.training_chunks()},
              {"lambda", o.lambda},
              {"chunk", o.chunk},
              {"latents", o.latents},
              {"level_coefficients", o.level_coefficients},
              {"analysis", shape(o.analysis)},
              {"synthesis", shape(o.synthesis)},
              {"density", o.density_per_level ? "per level" : "shared"},
              {"recipe", o.recipe == TrainRecipe::kPaper ? "paper" : "linear start"},
              {"steps", o.steps},
              {"batch", o.batch},
              {"learning_rate", o.learning_rate},
              {"auxiliary_learning_rate", o.auxiliary_learning_rate},
              {"heavy_share", o.heavy_share},
              {"normalisation", std::string(name_of(o.normalisation))},
              {"identity", o.identity},
              {"from", o.from ? o.from->filename().string() : std::string()},
              {"seed", o.seed}};
}

// The error of level i that minimises rate / lambda_I + lambda * error for a source whose rate falls by half a bit per
// halving of the error.
double expected_nmse(const TrainOptions& o, size_t level) {
  return std::min(1.0, 1.0 / (2.0 * std::numbers::ln2 * o.lambda * o.level_coefficients[level]));
}

class Trainer {
 public:
  Trainer(const TrainOptions& options, const ChunkSet& data)
      : options_(options), data_(data), recipe_(recipe_of(options, data)), levels_(static_cast<int64_t>(options.level_coefficients.size())) {
    torch::manual_seed(options.seed);
    std::vector<double> gain, inverse, scale;
    for (size_t l = 0; l < options.level_coefficients.size(); ++l) {
      const double step = std::sqrt(12.0 * expected_nmse(options, l));
      gain.push_back(1.0 / step);
      inverse.push_back(step);
      scale.push_back(4.0 / step);  // the density starts a few standard deviations wide
    }
    if (!options.density_per_level) scale = {*std::max_element(scale.begin(), scale.end())};
    analysis_ = TransformNet(options.chunk, options.latents, options.analysis, levels_);
    synthesis_ = TransformNet(options.latents, options.chunk, options.synthesis, levels_);
    if (options.recipe == TrainRecipe::kLinearStart) {
      analysis_->start_linear(gain);
      synthesis_->start_linear(inverse);
    }
    density_ = FactorizedDensity(static_cast<int64_t>(scale.size()), options.latents, scale);
    std::vector<torch::Tensor> networks = analysis_->parameters();
    for (const torch::Tensor& p : synthesis_->parameters()) networks.push_back(p);
    if (options.identity) {
      for (torch::Tensor& p : networks) p.set_requires_grad(false);
    }
    const std::vector<torch::optim::OptimizerParamGroup> groups{torch::optim::OptimizerParamGroup(networks),
                                                                torch::optim::OptimizerParamGroup(density_->model_parameters())};
    optimizer_ = std::make_unique<torch::optim::Adam>(groups, torch::optim::AdamOptions(options.learning_rate));
    auxiliary_ = std::make_unique<torch::optim::Adam>(std::vector<torch::Tensor>{density_->quantiles()},
                                                      torch::optim::AdamOptions(options.auxiliary_learning_rate));
    const auto rows = [&](const std::vector<float>& values) {
      return torch::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size()) / options.chunk, options.chunk});
    };
    training_ = rows(data.training);
    validation_ = rows(data.validation);
    if (validation_.size(0) > kValidationChunks) validation_ = validation_.slice(0, 0, c10::nullopt, validation_.size(0) / kValidationChunks + 1);
    coefficients_ = torch::tensor(options.level_coefficients, torch::kFloat32).view({levels_, 1, 1});
  }

  int64_t step() const { return step_; }

  void start_from(const EncoderCodec& codec) {
    analysis_->set_weights(codec.analysis);
    synthesis_->set_weights(codec.decoder.synthesis);
    density_->set_weights(codec.density);
  }

  // One step; returns the loss.
  double advance() {
    // Seeded by step, so that a resumed run sees the same chunks and noise as an uninterrupted one.
    torch::Generator random = at::detail::createCPUGenerator(options_.seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(step_));
    set_learning_rate();
    const int64_t per_level = options_.batch / levels_;
    const torch::Tensor picked = torch::randint(training_.size(0), {levels_ * per_level}, random, torch::TensorOptions().dtype(torch::kInt64));
    const torch::Tensor x = training_.index_select(0, picked).view({levels_, per_level, options_.chunk});
    const torch::Tensor z = analysis_->forward(x, 0);
    const torch::Tensor noisy = z + (torch::rand(z.sizes(), random, torch::TensorOptions()) - 0.5);
    const torch::Tensor bits = density_->likelihood(noisy, 0).log2().neg().sum(2) / static_cast<double>(options_.chunk);
    const torch::Tensor error = (synthesis_->forward(noisy, 0) - x).square().mean(2);
    const torch::Tensor loss = (bits / coefficients_.squeeze(2) + options_.lambda * error).mean();
    optimizer_->zero_grad();
    loss.backward();
    optimizer_->step();
    auxiliary_->zero_grad();
    density_->auxiliary_loss().backward();
    auxiliary_->step();
    ++step_;
    return loss.item<double>();
  }

  // Loss and quality with rounded latents.
  double validate(std::vector<LevelQuality>& levels) {
    torch::NoGradGuard no_grad;
    double loss = 0;
    levels.clear();
    for (int64_t l = 0; l < levels_; ++l) {
      const torch::Tensor x = validation_.unsqueeze(0);
      const torch::Tensor z = torch::round(analysis_->forward(x, l));
      LevelQuality quality;
      quality.bits = density_->likelihood(z, l).log2().neg().sum(2).mean().item<double>() / static_cast<double>(options_.chunk);
      quality.nmse = (synthesis_->forward(z, l) - x).square().mean().item<double>();
      loss += (quality.bits / options_.level_coefficients[static_cast<size_t>(l)] + options_.lambda * quality.nmse) / static_cast<double>(levels_);
      levels.push_back(quality);
    }
    return loss;
  }

  Status save(const fs::path& path) {
    torch::serialize::OutputArchive archive, analysis, synthesis, density, optimizer, auxiliary;
    analysis_->save(analysis);
    synthesis_->save(synthesis);
    density_->save(density);
    optimizer_->save(optimizer);
    auxiliary_->save(auxiliary);
    archive.write("analysis", analysis);
    archive.write("synthesis", synthesis);
    archive.write("density", density);
    archive.write("optimizer", optimizer);
    archive.write("auxiliary", auxiliary);
    archive.write("step", c10::IValue(step_));
    archive.write("recipe", c10::IValue(recipe_.dump()));
    std::ostringstream bytes;
    archive.save_to(bytes);
    return write_file(path, bytes.str());
  }

  Status load(const fs::path& path) {
    NWC_ASSIGN_OR_RETURN(const std::string bytes, read_text_file(path, limits::kMaxCodecFile * 8));
    try {
      std::istringstream in(bytes);
      torch::serialize::InputArchive archive, analysis, synthesis, density, optimizer, auxiliary;
      archive.load_from(in);
      c10::IValue step, recipe;
      archive.read("step", step);
      archive.read("recipe", recipe);
      if (recipe.toStringRef() != recipe_.dump()) {
        return Error(ErrorCode::kMismatch, "is the state of a training run with other options or weights")
            .in_file(path.string())
            .remedy("repeat that run's options, or train without --resume");
      }
      archive.read("analysis", analysis);
      archive.read("synthesis", synthesis);
      archive.read("density", density);
      archive.read("optimizer", optimizer);
      archive.read("auxiliary", auxiliary);
      analysis_->load(analysis);
      synthesis_->load(synthesis);
      density_->load(density);
      optimizer_->load(optimizer);
      auxiliary_->load(auxiliary);
      step_ = step.toInt();
    } catch (const std::exception&) {  // not only c10::Error: archives hold code, whose parser has errors of its own
      return Error(ErrorCode::kCorrupt, "is not a training state").in_file(path.string()).remedy("train without --resume");
    }
    return {};
  }

  // The codec as it will compress: networks rounded to F16, integer tables, quality measured with both.
  EncoderCodec finish() {
    EncoderCodec codec;
    codec.analysis = rounded_to_half(analysis_->weights());
    codec.decoder.synthesis = rounded_to_half(synthesis_->weights());
    codec.density = density_->weights();
    codec.decoder.tables = make_codec_tables(codec.density, static_cast<unsigned>(levels_));
    const torch::Tensor chunks = validation_.contiguous();
    const std::span<const float> values(chunks.data_ptr<float>(), static_cast<size_t>(chunks.numel()));
    codec.nmse.clear();
    for (unsigned l = 0; l < static_cast<unsigned>(levels_); ++l) codec.nmse.push_back(static_cast<float>(measure_nmse(codec, l, values)));
    codec.metadata["nwcodec.lambda"] = Json(options_.lambda).dump();
    codec.metadata["nwcodec.recipe"] = recipe_.dump();
    return codec;
  }

 private:
  void set_learning_rate() {
    if (options_.recipe == TrainRecipe::kPaper) return;
    const double progress = static_cast<double>(step_) / static_cast<double>(options_.steps);
    const double rate = options_.learning_rate * std::max(0.01, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
    const double of_group[] = {rate, rate * kDensityRate};
    for (size_t g = 0; g < 2; ++g) static_cast<torch::optim::AdamOptions&>(optimizer_->param_groups()[g].options()).lr(of_group[g]);
  }

  const TrainOptions& options_;
  const ChunkSet& data_;
  Json recipe_;
  int64_t levels_, step_ = 0;
  TransformNet analysis_{nullptr}, synthesis_{nullptr};
  FactorizedDensity density_{nullptr};
  std::unique_ptr<torch::optim::Adam> optimizer_, auxiliary_;
  torch::Tensor training_, validation_, coefficients_;
};

// Adds heavy-tailed chunks to real ones, so that they make up `share` of both sets.
void add_heavy_tails(double share, uint64_t seed, ChunkSet& data) {
  const double ratio = share / (1 - share);
  const auto extend = [&](std::vector<float>& set, uint64_t chunks, uint64_t stream) {
    const std::vector<float> heavy = heavy_tailed_chunks(static_cast<uint64_t>(ratio * static_cast<double>(chunks)), data.chunk, seed * 2 + stream);
    set.insert(set.end(), heavy.begin(), heavy.end());
  };
  extend(data.training, data.training_chunks(), 0);
  extend(data.validation, data.validation_chunks(), 1);
}

// A codec to start from decides about shapes; what the user asked for beside it must agree.
Status take_shapes(const EncoderCodec& codec, TrainOptions& o) {
  const DecoderCodec& d = codec.decoder;
  if (o.level_coefficients.size() != d.levels()) {
    return Error(ErrorCode::kMismatch, "has " + std::to_string(d.levels()) + " levels, " + std::to_string(o.level_coefficients.size()) + " level coefficients are given");
  }
  if (!FactorizedDensityImpl::has_our_shape(codec.density)) return Error(ErrorCode::kUnsupported, "has a density of another shape than nwcodec trains");
  const auto shape = [](const TransformWeights& w) { return NetworkShape{static_cast<int64_t>(w.width), static_cast<int64_t>(w.depth)}; };
  o.chunk = d.chunk_length();
  o.latents = d.latents();
  o.analysis = shape(codec.analysis);
  o.synthesis = shape(d.synthesis);
  o.density_per_level = codec.density.sets > 1;
  return {};
}

Result<TrainReport> train(TrainOptions options, const Progress& progress, const ValidationCallback& on_validation) {
  std::optional<EncoderCodec> from;
  if (options.from) {
    NWC_ASSIGN_OR_RETURN(from, read_encoder_codec(*options.from));
    if (Status status = take_shapes(*from, options); !status) return std::move(status).error().in_file(options.from->string());
  }
  if (options.identity) options.analysis.depth = options.synthesis.depth = 0;
  NWC_RETURN_IF_ERROR(check_options(options));
  std::error_code error;
  if (fs::exists(options.output, error) && !options.force) {
    return Error(ErrorCode::kExists, "exists").in_file(options.output.string()).remedy("choose another name, or pass --force");
  }
  const fs::path folder = fs::absolute(options.output).parent_path();
  if (!fs::is_directory(folder, error)) {
    return Error(ErrorCode::kNotFound, "cannot be created: there is no folder " + folder.string()).in_file(options.output.string());
  }
  const int threads = resolve_threads(options.threads);
  NWC_ASSIGN_OR_RETURN(ChunkSet data, load_chunks(options.models, options.selection, options.normalisation, options.chunk, options.max_chunks, threads, progress));
  add_heavy_tails(options.heavy_share, options.seed, data);
  torch::set_num_threads(threads);
  Trainer trainer(options, data);
  if (from) trainer.start_from(*from);
  const fs::path state_path = options.output.string() + ".training";
  if (options.resume) NWC_RETURN_IF_ERROR(trainer.load(state_path));

  TrainReport report{data.training_chunks(), data.validation_chunks(), 0, {}};
  double recent = 0;
  int64_t counted = 0;
  while (trainer.step() < options.steps) {
    if (Status status = progress.check_stop(); !status) {
      NWC_RETURN_IF_ERROR(trainer.save(state_path));
      return std::move(status).error().remedy("go on with --resume");
    }
    const double loss = trainer.advance();
    if (!std::isfinite(loss)) {
      return Error(ErrorCode::kInternal, "training diverged at step " + std::to_string(trainer.step())).remedy("lower the learning rate");
    }
    recent += loss;
    ++counted;
    const int64_t step = trainer.step();
    progress.at(static_cast<uint64_t>(step), static_cast<uint64_t>(options.steps), "training");
    if (step % options.validate_every == 0 || step == options.steps) {
      report.validation_loss = trainer.validate(report.levels);
      if (on_validation) on_validation(step, recent / static_cast<double>(counted), report.validation_loss, report.levels);
      recent = 0;
      counted = 0;
    }
    if (step % options.save_every == 0 && step < options.steps) NWC_RETURN_IF_ERROR(trainer.save(state_path));
  }
  if (report.levels.empty()) report.validation_loss = trainer.validate(report.levels);
  NWC_RETURN_IF_ERROR(write_encoder_codec(options.output, trainer.finish()));
  fs::remove(state_path, error);
  return report;
}

}  // namespace

Result<TrainReport> train_codec(const TrainOptions& options, const Progress& progress, const ValidationCallback& on_validation) {
  try {
    return train(options, progress, on_validation);
  } catch (const c10::Error& e) {
    return Error(ErrorCode::kInternal, std::string("LibTorch: ") + e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kInternal, "out of memory").remedy("lower --max-chunks or --batch");
  } catch (const std::exception& e) {
    return Error(ErrorCode::kInternal, std::string("LibTorch: ") + e.what());
  }
}

}  // namespace nwc
