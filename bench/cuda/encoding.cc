// Encoding on a CUDA device: one 4096 x 4096 tensor with importance levels and feedback, step by step, and the
// distortion beside that of the cores. docs/results.md holds the figures.
//
// usage: cuda_encode_bench CODECS_DIR [no-cores]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

#include "guide/guide.h"
#include "measure.h"
#include "quantise/tile_analysis.h"
#include "quantise/transform_quantiser.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"

namespace nwc::bench {
namespace {

constexpr uint64_t kSide = 4096;

// The second moment of inputs with correlated neighbours and a few large features.
std::vector<float> hessian_triangle(uint64_t n) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> size(n), triangle;
  for (float& s : size) s = std::exp(0.6f * normal(random));
  triangle.reserve(n * (n + 1) / 2);
  for (uint64_t i = 0; i < n; ++i) {
    for (uint64_t j = 0; j <= i; ++j)
      triangle.push_back(size[i] * size[j] * std::pow(0.9f, static_cast<float>(std::min<uint64_t>(i - j, 200))));
  }
  return triangle;
}

struct Case {
  const char* codec;
  uint32_t block_size;
  bool feedback;
};

}  // namespace

void bench_encoding(const std::filesystem::path& codecs, bool cores) {
  const std::vector<std::byte> bytes = gaussian_bf16(kSide * kSide);
  const WeightMatrix plain{"w", DType::kBF16, 2, false, 1, kSide, kSide, bytes};
  const std::vector<float> triangle = hessian_triangle(kSide);
  const HessianView view{triangle, kSide};
  const auto device = need(open_encode_device("cuda"));
  fmt::print("{}\n\n", device->name());
  EncodeOptions options;
  options.normalisation.kind = Normalisation::kBoth;

  for (const Case& c : {Case{"fast-300", 1, true}, Case{"fast-300", 128, true}, Case{"fast-300", 0, false},
                        Case{"paper-300", 128, true}, Case{"paper-300", 0, false}, Case{"paper-300", 1, true}}) {
    const EncoderCodec codec = need(read_encoder_codec(codecs / (std::string(c.codec) + ".safetensors")));
    GuideOptions guide_options{.levels = true, .feedback = c.feedback ? Feedback::kColumns : Feedback::kNone};
    guide_options.ldl.block_size = std::max(1u, c.block_size);
    const std::string title = fmt::format(
        "{}, {}", c.codec,
        c.feedback ? fmt::format("levels and feedback by blocks of {}", c.block_size) : "levels, no feedback");
    fmt::print("{}\n", title);
    const auto quantiser = need(device->quantiser(codec));
    const Encoder encoder(codec, 1, quantiser);
    std::shared_ptr<const DeviceWeights> there;
    const auto row = [](const char* what, const HostTimes& t) {
      fmt::print("  {:58} {:9.2f} ms   least {:9.2f}\n", what, 1e3 * t.median, 1e3 * t.least);
    };
    row("upload of the weights", host_seconds(5, [&] { there = need(device->upload(plain)); }));
    row("scales of columns and rows",
        host_seconds(5, [&] { (void)need(weight_scales(plain, options.normalisation, {}, 0, there.get())); }));
    const WeightScales unscaled = need(weight_scales(plain, options.normalisation, {}, 0, there.get()));
    const std::vector<double> rms(unscaled.columns.begin(), unscaled.columns.end());
    TensorGuide guide;
    row("guide: levels, order, factor of the Hessian", host_seconds(5, [&] {
          guide = need(make_guide({&view, 1}, 1, kSide, rms, encoder.level_errors(), guide_options, 0, device.get()));
        }));
    const WeightScales scales = need(weight_scales(plain, options.normalisation, guide.column_gains, 0, there.get()));
    const Tiling tiling(1, kSide, kSide, 16, options.tile_chunks, guide.levels);
    const std::shared_ptr<const StreamContexts> contexts =
        need(make_level_channel_contexts({}, kSide, kSide, shape_of(encoder.codec().parts())));
    const TransformQuantiser transform(encoder);
    const EncodeJob job = EncodeJob::of(plain, scales, tiling, guide, encoder, *contexts, transform, there.get());
    const StripeRange all{0, 0, tiling.stripes()};
    const HostTimes quantised = host_seconds(c.block_size == 1 && c.codec[0] == 'p' ? 2 : 5, [&] {
      (void)need(quantiser->quantise(job, {&all, 1}, true));
    });
    row("quantise", quantised);
    EncodedTensor encoded;
    row("encode_tensor: scales, quantise, tables, rANS, to the host",
        host_seconds(3, [&] { encoded = need(encode_tensor(plain, guide, encoder, options, 0, there.get())); }));
    const EncodeStatistics& s = encoded.statistics;
    fmt::print("  {:.4f} bits per weight, relative squared error {:.6f}, weighted {:.6g}, patches {}, escapes {}\n",
               8.0 * static_cast<double>(s.payload_bytes) / static_cast<double>(s.weights),
               s.squared_error / s.squared_weight, s.weighted_error, s.patches, s.escapes);
    if (cores) {
      const Encoder on_cores(codec, 1);
      TensorGuide own;
      row("on the cores: guide", host_seconds(1, [&] {
            own = need(make_guide({&view, 1}, 1, kSide, rms, encoder.level_errors(), guide_options, 0));
          }));
      EncodedTensor expected;
      if (c.codec[0] == 'p' && c.block_size == 1) continue;
      row("on the cores: encode_tensor",
          host_seconds(1, [&] { expected = need(encode_tensor(plain, own, on_cores, options, 0)); }));
      fmt::print("  distortion of the device over the cores' {:+.5f} dB, bits {:+.5f} %, streams {}\n",
                 10 * std::log10(s.squared_error / expected.statistics.squared_error),
                 100 * (s.table_bits / expected.statistics.table_bits - 1),
                 encoded.stream == expected.stream ? "identical" : "differ");
    }
    std::fflush(stdout);
  }
}

}  // namespace nwc::bench
