// Training steps per second: usage: training_bench [cpu|cuda] [batch] [width] [depth] [steps]. The peer is
// bench/training_peer.py.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "learn/training_step.h"

int main(int argc, char** argv) {
  const auto number = [&](int i, int64_t otherwise) {
    return argc > i ? std::strtoll(argv[i], nullptr, 10) : otherwise;
  };
  const bool cuda = argc > 1 && std::string(argv[1]) == "cuda";
  nwc::TrainOptions o;
  o.batch = number(2, 65536);
  o.analysis = o.synthesis = {number(3, 512), number(4, 4)};
  o.steps = number(5, cuda ? 300 : 3);
  o.lambda = 300;
  torch::manual_seed(1);
  nwc::Networks networks{nwc::TransformNet(o.chunk, o.latents, o.analysis, 4),
                         nwc::TransformNet(o.latents, o.chunk, o.synthesis, 4),
                         nwc::FactorizedDensity(4, o.latents, std::vector<double>{8, 12, 40, 60})};
  const torch::Tensor training = torch::randn({1 << 20, o.chunk});
  std::unique_ptr<nwc::TrainingStep> step;
  if (cuda) {
    nwc::Result<std::unique_ptr<nwc::TrainingStep>> made = nwc::make_fused_step(o, networks, training);
    if (!made) {
      fmt::print(stderr, "{}\n", made.error().to_string());
      return 1;
    }
    step = std::move(*made);
  } else {
    step = nwc::make_autograd_step(o, networks, training);
  }
  const int64_t warm = cuda ? 20 : 1;
  for (int64_t s = 0; s < warm; ++s) step->advance(s);
  step->mean_loss();
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t s = warm; s < warm + o.steps; ++s) step->advance(s);
  const double loss = step->mean_loss();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double rate = static_cast<double>(o.steps) / seconds;
  // Multiply-adds of both networks, forward once and back twice.
  const double flops = 2.0 * 2.0 * 3.0 *
                       static_cast<double>(o.batch * (o.analysis.depth * o.analysis.width * o.analysis.width +
                                                      2 * 16 * o.analysis.width));
  fmt::print("{} {}x{} batch {}: {:.1f} steps/s, {:.2f} ms, {:.0f} TFLOP/s, mean loss {:.4f}\n", cuda ? "cuda" : "cpu",
             o.analysis.width, o.analysis.depth, o.batch, rate, 1e3 / rate, flops * rate / 1e12, loss);
}
