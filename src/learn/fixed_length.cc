#include "learn/fixed_length.h"

#include <cmath>
#include <numbers>

#include "base/parallel.h"
#include "learn/dataset.h"
#include "learn/trainer.h"

namespace nwc {
namespace {

constexpr int kLloydTurns = 20;
constexpr double kCommitment = 1.0;

// Quantises groups of `dimension` neighbouring latents with a codebook each.
class CodebooksImpl : public torch::nn::Module {
 public:
  CodebooksImpl(int64_t latents, int64_t dimension, int64_t words)
      : dimension_(dimension), groups_(latents / dimension) {
    words_ = register_parameter("words", torch::zeros({groups_, words, dimension}));
  }

  // z: [n, latents]. Values are codewords; gradients go to those, and straight through to z.
  torch::Tensor quantise(const torch::Tensor& z) {
    const torch::Tensor points = grouped(z);
    const torch::Tensor index = nearest(points).unsqueeze(2).expand({groups_, points.size(1), dimension_});
    const torch::Tensor chosen = words_.gather(1, index).permute({1, 0, 2}).reshape(z.sizes());
    return chosen + (z - z.detach());
  }

  // Starts at evenly spaced points of z and iterates Lloyd's algorithm. A codeword that is nearest to no point keeps
  // its value.
  void start_at(const torch::Tensor& z) {
    torch::NoGradGuard no_grad;
    const torch::Tensor points = grouped(z);
    const int64_t words = words_.size(1);
    // By size of the first coordinate, so that a scalar codebook starts at quantiles.
    const torch::Tensor order = std::get<1>(points.select(2, 0).sort(1));
    const torch::Tensor picked = ((torch::arange(words, torch::kFloat64) + 0.5) / static_cast<double>(words) *
                                  static_cast<double>(points.size(1)))
                                     .to(torch::kInt64);
    words_.copy_(points.gather(1, order.index_select(1, picked).unsqueeze(2).expand({groups_, words, dimension_})));
    for (int turn = 0; turn < kLloydTurns; ++turn) {
      const torch::Tensor index = nearest(points);
      const torch::Tensor counts = torch::zeros({groups_, words}).scatter_add(1, index, torch::ones(index.sizes()));
      const torch::Tensor sums = torch::zeros_like(words_).scatter_add(1, index.unsqueeze(2).expand_as(points), points);
      const torch::Tensor means = sums / counts.clamp_min(1).unsqueeze(2);
      words_.copy_(torch::where(counts.unsqueeze(2) > 0, means, words_));
    }
  }

 private:
  torch::Tensor grouped(const torch::Tensor& z) const {
    return z.detach().view({z.size(0), groups_, dimension_}).permute({1, 0, 2}).contiguous();
  }
  torch::Tensor nearest(const torch::Tensor& points) const {
    return torch::cdist(points, words_.detach()).argmin(2);
  }  // [groups, n]

  int64_t dimension_, groups_;
  torch::Tensor words_;
};
TORCH_MODULE(Codebooks);

FixedLengthPoint train_fixed(const TrainOptions& o, const char* method, int64_t dimension, int bits,
                             const torch::Tensor& training, const torch::Tensor& validation) {
  torch::manual_seed(o.seed);
  TransformNet analysis(o.chunk, o.latents, o.analysis, 1), synthesis(o.latents, o.chunk, o.synthesis, 1);
  analysis->start_linear({1.0});
  synthesis->start_linear({1.0});
  Codebooks codebooks(o.latents, dimension, int64_t{1} << (bits * dimension));
  std::vector<torch::Tensor> parameters = analysis->parameters();
  for (const auto& more : {synthesis->parameters(), codebooks->parameters()})
    parameters.insert(parameters.end(), more.begin(), more.end());
  torch::optim::Adam optimizer(parameters, torch::optim::AdamOptions(o.learning_rate));
  for (int64_t step = 0; step < o.steps; ++step) {
    const torch::Tensor x =
        training.index_select(0, torch::randint(training.size(0), {o.batch}, torch::kInt64)).unsqueeze(0);
    const torch::Tensor z = analysis->forward(x, 0).squeeze(0);
    if (step == 0) codebooks->start_at(z);
    const torch::Tensor quantised = codebooks->quantise(z);
    // The straight-through gradient moves a latent without regard to the distance from its codeword; the second term
    // keeps latents near their codewords. Without it the error ends far above that of Lloyd's codebooks at the start.
    const torch::Tensor loss = (synthesis->forward(quantised.unsqueeze(0), 0) - x).square().mean() +
                               kCommitment * (z - quantised.detach()).square().mean();
    const double fall =
        0.5 * (1.0 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(o.steps)));
    static_cast<torch::optim::AdamOptions&>(optimizer.param_groups()[0].options())
        .lr(o.learning_rate * std::max(0.01, fall));
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
  }
  torch::NoGradGuard no_grad;
  const torch::Tensor x = validation.unsqueeze(0);
  const torch::Tensor decoded =
      synthesis->forward(codebooks->quantise(analysis->forward(x, 0).squeeze(0)).unsqueeze(0), 0);
  const double weights_per_latent = static_cast<double>(o.chunk) / static_cast<double>(o.latents);
  return {method, static_cast<double>(bits), bits / weights_per_latent,
          ((decoded - x).square().mean() / x.square().mean()).item<double>()};
}

Result<FixedLengthPoint> train_entropy(TrainOptions o, double lambda, const ChunkSet& data) {
  o.lambda = lambda;
  NWC_ASSIGN_OR_RETURN(Trainer trainer, Trainer::make(o, /*run=*/"", data, nullptr, std::nullopt));
  while (trainer.step() < o.steps) trainer.advance();
  std::vector<LevelQuality> levels;
  trainer.validate(levels);
  return FixedLengthPoint{"entropy", lambda, levels[0].bits, levels[0].nmse};
}

Result<std::vector<FixedLengthPoint>> run(const FixedLengthOptions& options, const Progress& progress) {
  TrainOptions o = options.train;
  o.level_coefficients = {1.0};
  o.device = TrainDevice::kCpu;
  if (o.latents % 2 != 0) return Error(ErrorCode::kInvalidArgument, "pairs of latents need an even number of them");
  for (const int bits : options.bits) {
    if (bits < 1 || bits > 5)
      return Error(ErrorCode::kInvalidArgument, "bits of fixed-length quantisers must be 1 to 5");
  }
  NWC_RETURN_IF_ERROR(check_options(o));
  for (const double lambda : options.lambdas) {
    o.lambda = lambda;
    NWC_RETURN_IF_ERROR(check_options(o));
  }
  const int threads = resolve_threads(o.threads);
  torch::set_num_threads(threads);
  NWC_ASSIGN_OR_RETURN(const ChunkSet data,
                       load_chunks(o.models, o.selection, o.normalisation, o.chunk, o.max_chunks, threads, progress));
  const auto rows = [&](const std::vector<float>& values) {
    return torch::from_blob(const_cast<float*>(values.data()),
                            {static_cast<int64_t>(values.size()) / o.chunk, o.chunk});
  };
  const torch::Tensor training = rows(data.training), validation = rows(data.validation).slice(0, 0, 16384);
  std::vector<FixedLengthPoint> points;
  const uint64_t total = 2 * options.bits.size() + options.lambdas.size();
  const auto next = [&]() -> Status {
    progress.at(points.size(), total, "training");
    return progress.check_stop();
  };
  for (const auto& [method, dimension] : {std::pair{"scalar", 1}, std::pair{"vector", 2}}) {
    for (const int bits : options.bits) {
      NWC_RETURN_IF_ERROR(next());
      points.push_back(train_fixed(o, method, dimension, bits, training, validation));
    }
  }
  for (const double lambda : options.lambdas) {
    NWC_RETURN_IF_ERROR(next());
    NWC_ASSIGN_OR_RETURN(FixedLengthPoint point, train_entropy(o, lambda, data));
    points.push_back(std::move(point));
  }
  return points;
}

}  // namespace

Result<std::vector<FixedLengthPoint>> run_fixed_length_study(const FixedLengthOptions& options,
                                                             const Progress& progress) {
  try {
    return run(options, progress);
  } catch (const std::exception& e) {
    return Error(ErrorCode::kInternal, std::string("LibTorch: ") + e.what());
  }
}

}  // namespace nwc
