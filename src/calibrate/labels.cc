#include "calibrate/labels.h"

#include <algorithm>
#include <random>
#include <vector>

#include "base/random_variates.h"

namespace nwc {
namespace {

// Logits at a time: 32 MB, and some five times that of what is computed from them. On a GPU eight times as much.
constexpr int64_t kLogits = int64_t{1} << 23, kDeviceLogits = int64_t{1} << 26;
// Positions whose sums are held at a time, in binary64; on a GPU as many as make that many sums.
constexpr int64_t kDrawn = 16, kDeviceSums = int64_t{1} << 24;

}  // namespace

at::Tensor drawn(const at::Tensor& logits, const at::Tensor& quantiles) {
  std::vector<at::Tensor> indices;
  const int64_t step = logits.is_cpu() ? kDrawn : std::max(kDrawn, kDeviceSums / logits.size(1));
  for (int64_t begin = 0; begin < logits.size(0); begin += step) {
    const int64_t count = std::min(step, logits.size(0) - begin);
    const at::Tensor sums = torch::softmax(logits.narrow(0, begin, count), -1).cumsum(-1, torch::kFloat64);
    const at::Tensor last = sums.narrow(-1, sums.size(-1) - 1, 1), some = quantiles.narrow(0, begin, count);
    indices.push_back(torch::searchsorted(sums, some * last, /*out_int32=*/false, /*right=*/true)
                          .clamp_max(sums.size(-1) - 1)
                          .squeeze(-1));
  }
  return torch::cat(indices);
}

LabelRule drawn_labels(uint64_t seed) {
  return [random = std::mt19937_64(seed)](const at::Tensor& logits, int64_t) mutable {
    std::vector<double> quantiles(static_cast<size_t>(logits.size(0)));
    for (double& q : quantiles) q = uniform_variate(random);
    return drawn(logits, torch::tensor(quantiles, torch::kFloat64).to(logits.device()).unsqueeze(1));
  };
}

at::Tensor gradient_of_labels(const Head& head, int64_t vocabulary, const at::Tensor& hidden, const LabelRule& labels,
                              const HeadWatch& watch) {
  const torch::AutoGradMode recording(true);
  const at::Tensor positions = hidden.detach().reshape({-1, hidden.size(-1)});
  const int64_t slice = std::max<int64_t>(1, (hidden.is_cpu() ? kLogits : kDeviceLogits) / vocabulary);
  std::vector<at::Tensor> gradients;
  for (int64_t begin = 0; begin < positions.size(0); begin += slice) {
    const int64_t count = std::min(slice, positions.size(0) - begin);
    const at::Tensor some = positions.narrow(0, begin, count).clone().requires_grad_(true);
    at::Tensor input, projection;
    const at::Tensor logits = head.forward(some, [&](const LinearSpec&, const at::Tensor& x, const at::Tensor& y) {
      input = x.detach();
      projection = y;
    });
    if (watch) projection.retain_grad();
    const at::Tensor chosen = labels(logits.detach(), begin).to(logits.device());
    torch::log_softmax(logits, -1).gather(1, chosen.unsqueeze(1)).sum().backward();
    gradients.push_back(some.grad());
    if (watch) watch(input, projection.grad());
  }
  return torch::cat(gradients, 0).view(hidden.sizes());
}

at::Tensor gradient_of_noise(const std::function<at::Tensor(const at::Tensor&)>& output, const at::Tensor& hidden,
                             uint64_t seed) {
  const torch::AutoGradMode recording(true);
  std::mt19937_64 random(seed);
  const at::Tensor input = hidden.detach().clone().requires_grad_(true);
  const at::Tensor vectors = output(input);
  std::vector<float> noise(static_cast<size_t>(vectors.numel()));
  for (float& v : noise) v = static_cast<float>(gaussian_variate(random));
  (vectors * torch::tensor(noise).view(vectors.sizes()).to(vectors.device())).sum().backward();
  return input.grad();
}

}  // namespace nwc
