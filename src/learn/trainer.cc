#include "learn/trainer.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <sstream>

#include "base/file.h"
#include "codec/encode/codec_tables.h"
#include "codec/encode/quality.h"
#include "nwcodec/limits.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kValidationChunks = 16384;  // at most; validation is repeated often

constexpr const char* kStartAnew = "start anew with --force";

// What a codec says it was made with.
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
              {"device", o.device == TrainDevice::kCuda ? "cuda" : "cpu"},
              {"teacher", o.teacher ? o.teacher->filename().string() : std::string()},
              {"from", o.from ? o.from->filename().string() : std::string()},
              {"seed", o.seed}};
}

// The error of level i that minimises rate / lambda_I + lambda * error for a source whose rate falls by half a bit per
// halving of the error.
double expected_nmse(const TrainOptions& o, size_t level) {
  return std::min(1.0, 1.0 / (2.0 * std::numbers::ln2 * o.lambda * o.level_coefficients[level]));
}

}  // namespace

Trainer::Trainer(const TrainOptions& options, const std::string& run, const ChunkSet& data)
    : options_(options),
      run_(run),
      recipe_(recipe_of(options, data)),
      levels_(static_cast<int64_t>(options.level_coefficients.size())) {
  torch::manual_seed(options.seed);
  std::vector<double> gain, inverse, scale;
  for (size_t l = 0; l < options.level_coefficients.size(); ++l) {
    const double step = std::sqrt(12.0 * expected_nmse(options, l));
    gain.push_back(1.0 / step);
    inverse.push_back(step);
    scale.push_back(4.0 / step);  // the density starts a few standard deviations wide
  }
  if (!options.density_per_level) scale = {*std::max_element(scale.begin(), scale.end())};
  networks_.analysis = TransformNet(options.chunk, options.latents, options.analysis, levels_);
  networks_.synthesis = TransformNet(options.latents, options.chunk, options.synthesis, levels_);
  if (options.recipe == TrainRecipe::kLinearStart) {
    networks_.analysis->start_linear(gain);
    networks_.synthesis->start_linear(inverse);
  }
  networks_.density = FactorizedDensity(static_cast<int64_t>(scale.size()), options.latents, scale);
  const auto rows = [&](const std::vector<float>& values) {
    return torch::from_blob(const_cast<float*>(values.data()),
                            {static_cast<int64_t>(values.size()) / options.chunk, options.chunk});
  };
  training_ = rows(data.training);
  validation_ = rows(data.validation);
  if (validation_.size(0) > kValidationChunks)
    validation_ = validation_.slice(0, 0, c10::nullopt, validation_.size(0) / kValidationChunks + 1);
}

Result<Trainer> Trainer::make(const TrainOptions& options, const std::string& run, const ChunkSet& data,
                              const EncoderCodec* start, const std::optional<fs::path>& state) {
  Trainer trainer(options, run, data);
  if (start != nullptr) {
    trainer.networks_.analysis->set_weights(start->analysis);
    if (!options.teacher) trainer.networks_.synthesis->set_weights(start->decoder.synthesis);
    trainer.networks_.density->set_weights(start->density);
  }
  torch::serialize::InputArchive archive;
  if (state) NWC_RETURN_IF_ERROR(trainer.load(*state, archive));
  if (options.device == TrainDevice::kCuda) {
    NWC_ASSIGN_OR_RETURN(trainer.training_step_, make_fused_step(options, trainer.networks_, trainer.training_));
    trainer.validation_ = trainer.validation_.to(torch::kCUDA);
  } else {
    trainer.training_step_ = make_autograd_step(options, trainer.networks_, trainer.training_);
  }
  if (state) {
    try {
      trainer.training_step_->load(archive);
    } catch (const std::exception&) {
      return Error(ErrorCode::kCorrupt, "is not a training state").in_file(state->string()).remedy(kStartAnew);
    }
  }
  return trainer;
}

// Loss and quality with rounded latents.
double Trainer::validate(std::vector<LevelQuality>& levels) {
  torch::NoGradGuard no_grad;
  double loss = 0;
  levels.clear();
  for (int64_t l = 0; l < levels_; ++l) {
    const torch::Tensor x = validation_.unsqueeze(0);
    const torch::Tensor z = torch::round(networks_.analysis->forward(x, l));
    LevelQuality quality;
    quality.bits = networks_.density->likelihood(z, l).log2().neg().sum(2).mean().item<double>() /
                   static_cast<double>(options_.chunk);
    quality.nmse = (networks_.synthesis->forward(z, l) - x).square().mean().item<double>();
    loss += (quality.bits / options_.level_coefficients[static_cast<size_t>(l)] + options_.lambda * quality.nmse) /
            static_cast<double>(levels_);
    levels.push_back(quality);
  }
  return loss;
}

Status Trainer::save(const fs::path& path) {
  torch::serialize::OutputArchive archive, analysis, synthesis, density;
  training_step_->save(archive);  // first: it waits for the steps on their way, which still change the networks
  networks_.analysis->save(analysis);
  networks_.synthesis->save(synthesis);
  networks_.density->save(density);
  archive.write("analysis", analysis);
  archive.write("synthesis", synthesis);
  archive.write("density", density);
  archive.write("step", c10::IValue(step_));
  archive.write("run", c10::IValue(run_));
  std::ostringstream bytes;
  archive.save_to(bytes);
  return write_file(path, bytes.str());
}

Status Trainer::load(const fs::path& path, torch::serialize::InputArchive& archive) {
  NWC_ASSIGN_OR_RETURN(const std::string bytes, read_text_file(path, limits::kMaxCodecFile * 8));
  try {
    std::istringstream in(bytes);
    torch::serialize::InputArchive analysis, synthesis, density;
    archive.load_from(in, torch::Device(torch::kCPU));
    c10::IValue step, run;
    archive.read("step", step);
    archive.read("run", run);
    if (run.toStringRef() != run_)
      return Error(ErrorCode::kMismatch, "is the state of another run").in_file(path.string()).remedy(kStartAnew);
    archive.read("analysis", analysis);
    archive.read("synthesis", synthesis);
    archive.read("density", density);
    networks_.analysis->load(analysis);
    networks_.synthesis->load(synthesis);
    networks_.density->load(density);
    step_ = step.toInt();
  } catch (const std::exception&) {  // not only c10::Error: archives hold code, whose parser has errors of its own
    return Error(ErrorCode::kCorrupt, "is not a training state").in_file(path.string()).remedy(kStartAnew);
  }
  return {};
}

// The codec as it will compress: networks rounded to F16, integer tables, quality measured with both.
EncoderCodec Trainer::finish() {
  EncoderCodec codec;
  codec.analysis = rounded_to_half(networks_.analysis->weights());
  codec.decoder.synthesis = rounded_to_half(networks_.synthesis->weights());
  codec.density = networks_.density->weights();
  codec.decoder.tables = make_codec_tables(codec.density, static_cast<unsigned>(levels_));
  const torch::Tensor chunks = validation_.cpu().contiguous();
  const std::span<const float> values(chunks.data_ptr<float>(), static_cast<size_t>(chunks.numel()));
  codec.nmse.clear();
  for (unsigned l = 0; l < static_cast<unsigned>(levels_); ++l)
    codec.nmse.push_back(static_cast<float>(measure_nmse(codec, l, values)));
  codec.metadata["nwcodec.lambda"] = Json(options_.lambda).dump();
  codec.metadata["nwcodec.recipe"] = recipe_.dump();
  return codec;
}

}  // namespace nwc
