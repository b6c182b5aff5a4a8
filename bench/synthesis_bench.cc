// The synthesis transform g_s on the CPU against the same network through LibTorch (OpenBLAS), one thread, chunks per
// second.
#include <benchmark/benchmark.h>

#include <random>

#include "libtorch/tensors.h"
#include "transform/transform.h"

namespace nwc {
namespace {

TransformWeights random_network(size_t width, size_t depth) {
  std::mt19937 random(1);
  std::normal_distribution<float> gaussian;
  const auto draw = [&](size_t n, float scale) {
    std::vector<float> values(n);
    for (float& v : values) v = gaussian(random) * scale;
    return values;
  };
  TransformWeights w{.inputs = 16, .outputs = 16, .width = width, .depth = depth, .levels = 4, .embedding_sets = depth};
  w.in_weight = draw(width * 16, 0.25f);
  w.in_bias = draw(width, 0.1f);
  for (size_t b = 0; b < depth; ++b) {
    w.blocks.push_back({draw(width * width, 0.05f), draw(width, 0.1f), draw(width, 1.0f), draw(width, 0.1f)});
  }
  w.embedding = draw(depth * 4 * width, 1.0f);
  w.out_weight = draw(16 * width, 0.05f);
  w.out_bias = draw(16, 0.1f);
  return w;
}

constexpr int64_t kChunks = 2048;

void bench_ours(benchmark::State& state, Isa isa) {
  const TransformWeights weights =
      random_network(static_cast<size_t>(state.range(0)), static_cast<size_t>(state.range(1)));
  const Transform transform(weights);
  AlignedVector<float> x(16 * kChunks, 0.5f), y(transform.output_rows() * kChunks), scratch;
  for (auto _ : state) {
    transform.apply(0, kChunks, x.data(), y.data(), kChunks, isa, scratch);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kChunks);
  state.counters["GFLOP/s"] = benchmark::Counter(static_cast<double>(weights.flops_per_chunk()) * kChunks * 1e-9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

void bench_libtorch(benchmark::State& state) {
  const int64_t width = state.range(0), depth = state.range(1);
  const TransformWeights w = random_network(static_cast<size_t>(width), static_cast<size_t>(depth));
  torch::NoGradGuard no_grad;
  at::set_num_threads(1);
  const auto tensor = [](const std::vector<float>& v, std::vector<int64_t> shape) {
    return torch::from_blob(const_cast<float*>(v.data()), shape).clone();
  };
  const torch::Tensor in = tensor(w.in_weight, {width, 16}), in_bias = tensor(w.in_bias, {width});
  const torch::Tensor out = tensor(w.out_weight, {16, width}), out_bias = tensor(w.out_bias, {16});
  std::vector<torch::Tensor> weight, bias, gain, offset, embedding;
  for (int64_t b = 0; b < depth; ++b) {
    const auto& block = w.blocks[static_cast<size_t>(b)];
    weight.push_back(tensor(block.weight, {width, width}));
    bias.push_back(tensor(block.bias, {width}));
    gain.push_back(tensor(block.gain, {width}));
    offset.push_back(tensor(block.offset, {width}));
    embedding.push_back(tensor(w.embedding, {depth, 4, width})[b][0].clone());
  }
  const torch::Tensor z = torch::randn({kChunks, 16});
  for (auto _ : state) {
    torch::Tensor h = torch::linear(z, in, in_bias);
    for (size_t b = 0; b < weight.size(); ++b) {
      const torch::Tensor u =
          torch::layer_norm(torch::linear(h, weight[b], bias[b]), {width}, gain[b], offset[b], 1e-5);
      h.add_(u.relu_()).mul_(embedding[b]);
    }
    benchmark::DoNotOptimize(torch::linear(h, out, out_bias));
  }
  state.SetItemsProcessed(state.iterations() * kChunks);
  state.counters["GFLOP/s"] = benchmark::Counter(static_cast<double>(w.flops_per_chunk()) * kChunks * 1e-9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace nwc

int main(int argc, char** argv) {
  const std::vector<std::vector<int64_t>> sizes{{512, 4}, {128, 4}, {64, 2}, {32, 1}};
  for (const auto& size : sizes) {
    for (const nwc::Isa isa : nwc::available_isas()) {
      benchmark::RegisterBenchmark(("synthesis/" + std::string(nwc::name_of(isa))).c_str(), nwc::bench_ours, isa)
          ->Args(size);
    }
    benchmark::RegisterBenchmark("synthesis/libtorch", nwc::bench_libtorch)->Args(size);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
