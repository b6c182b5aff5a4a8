// Codecs without a transform, steps by sensitivity: one 4096 x 4096 tensor quantised along a trellis and weight by
// weight, then decoded alone and in batches.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "cuda/decode/hooks.h"
#include "cuda/support/device_test.h"
#include "guide/sensitivity.h"
#include "measure.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"

namespace nwc::bench {
namespace {

using testing::DeviceRun;
using testing::Encoded;

constexpr uint64_t kSide = 4096, kWeights = kSide * kSide;
constexpr double kBits = 4;

void add_triangle(double correlation, float deviation, std::vector<float>& triangle) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> size(kSide);
  for (float& s : size) s = std::exp(deviation * normal(random));
  for (uint64_t i = 0; i < kSide; ++i) {
    for (uint64_t j = 0; j <= i; ++j) {
      const double distance = static_cast<double>(std::min<uint64_t>(i - j, 200));
      triangle.push_back(size[i] * size[j] * static_cast<float>(std::pow(correlation, distance)));
    }
  }
}

void row(const char* what, const HostTimes& t) {
  fmt::print("  {:58} {:9.2f} ms   least {:9.2f}\n", what, 1e3 * t.median, 1e3 * t.least);
}

}  // namespace

void bench_trellis() {
  const std::vector<std::byte> bytes = gaussian_bf16(kWeights);
  const WeightMatrix weights{"w", DType::kBF16, 2, false, 1, kSide, kSide, bytes};
  StoredFisher fisher{.matrices = 1, .features = kSide, .output_features = kSide};
  add_triangle(0.9, 0.6f, fisher.inputs);
  add_triangle(0.5, 0.4f, fisher.outputs);
  for (uint64_t i = 0; i < kSide; ++i) fisher.rows.push_back(fisher.outputs[i * (i + 3) / 2]);
  const auto device = need(open_encode_device("cuda"));
  const double bandwidth = copy_bandwidth();
  fmt::print("{}\n", device->name());
  const std::vector<int64_t> tokens{100'000};
  for (const unsigned states : {8u, 64u, 0u}) {
    const double octaves = octaves_for(kBits, states > 0);
    const EncoderCodec codec = states > 0 ? trellis_codec(make_trellis(states), kCentreContext, octaves)
                                          : plain_codec(kCentreContext, octaves);
    const Encoder encoder(codec, 99, need(device->quantiser(codec)));
    const auto there = need(device->upload(weights));
    EncodeOptions options{.run_groups = 1, .trellis_states = states, .rate_weight = best_rate_weight(states)};
    options.normalisation.gain = std::exp2(octaves);
    fmt::print("{}\n", states > 0 ? fmt::format("a trellis of {} states", states) : "weight by weight");
    EncodedTensor tensor;
    for (const Feedback feedback : {Feedback::kColumns, Feedback::kTwoSided}) {
      TensorGuide guide;
      row("guide: factors of both sides", host_seconds(1, [&] {
            guide =
                need(make_sensitivity_guide(fisher, {tokens, tokens[0]}, weights,
                                            {.steps = StepRule::kSensitivity, .feedback = feedback}, 0, device.get()));
          }));
      const SpreadSum sum = need(sum_of_spreads(weights, guide, 0));
      need(settle_steps(weights, sum.log2_spread / sum.weights, 0, guide));
      row(fmt::format("encode_tensor, feedback {}", name_of(feedback)).c_str(),
          host_seconds(3, [&] { tensor = need(encode_tensor(weights, guide, encoder, options, 0, there.get())); }));
    }
    for (const uint32_t tile_chunks : states > 0 ? std::vector<uint32_t>{256, 1024} : std::vector<uint32_t>{2048}) {
      TensorGuide guide =
          need(make_sensitivity_guide(fisher, {tokens, tokens[0]}, weights,
                                      {.steps = StepRule::kSensitivity, .feedback = Feedback::kNone}, 0, device.get()));
      const SpreadSum sum = need(sum_of_spreads(weights, guide, 0));
      need(settle_steps(weights, sum.log2_spread / sum.weights, 0, guide));
      options.tile_chunks = tile_chunks;
      EncodedTensor e = need(encode_tensor(weights, guide, encoder, options, 0, there.get()));
      const Encoded encoded{"w", std::move(e.stream), std::move(e.scales), {}, e.header};
      const CudaDecoder decoder =
          need(cuda::DecoderHooks::create(std::make_shared<const Codec>(codec.decoder, 99), 0, {}));
      const double floor = (static_cast<double>(encoded.stream.size()) + 2.0 * kWeights) / bandwidth;
      const auto measure = [&](size_t together) {
        std::vector<DeviceRun> runs;
        for (size_t i = 0; i < (together == 1 ? 8 : 1); ++i)
          runs.push_back(
              need(DeviceRun::of(decoder, std::vector<const Encoded*>(together, &encoded), {.verify = false})));
        const double seconds =
            median_seconds(10, [&](int i) { need(runs[static_cast<size_t>(i) % runs.size()].enqueue()); });
        for (const DeviceRun& run : runs) need(run.verdict());
        const double each = seconds / static_cast<double>(together);
        report(fmt::format("decoding, {} together, tiles of {}", together, tile_chunks), us(each), us(floor),
               fmt::format("{:.3f} bits, {:.0f} G weights/s",
                           8.0 * static_cast<double>(encoded.stream.size()) / kWeights, kWeights / each * 1e-9));
      };
      measure(1);
      measure(32);
    }
    std::fflush(stdout);
  }
}

}  // namespace nwc::bench
