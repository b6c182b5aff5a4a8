// Encoding on a CUDA device: one 4096 x 4096 tensor with importance levels and feedback, step by step, and the
// distortion beside that of the cores. docs/results.md holds the figures.
//
// usage: cuda_encode_bench CODECS_DIR [no-cores]
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "base/half.h"
#include "encode/device.h"
#include "encode/guide.h"
#include "encode/tensor_encoder.h"
#include "encode/tile_analysis.h"

namespace nwc {
namespace {

constexpr uint64_t kSide = 4096;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "cuda_encode_bench: %s\n", why.c_str());
  std::exit(1);
}
template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().to_string());
  return *std::move(result);
}

// Milliseconds on the host's clock, the device's work included: the least and the median of a few runs, after one to
// warm up.
struct Times {
  double least, median;
};
Times milliseconds(int repeats, const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = -1; i < repeats; ++i) {
    cudaDeviceSynchronize();
    const auto begin = std::chrono::steady_clock::now();
    run();
    cudaDeviceSynchronize();
    if (i >= 0)
      times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

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

void run(const std::string& codecs, bool cores) {
  std::vector<std::byte> bytes(kSide * kSide * 2);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint16_t v = bf16_from_float(0.02f * normal(random));
    std::memcpy(bytes.data() + i, &v, 2);
  }
  const WeightMatrix plain{"w", DType::kBF16, 2, false, 1, kSide, kSide, bytes, nullptr};
  const std::vector<float> triangle = hessian_triangle(kSide);
  const HessianView view{triangle, kSide};
  const auto device = need(open_encode_device("cuda"));
  fmt::print("{}\n\n", device->name());
  EncodeOptions options;
  options.normalisation.kind = Normalisation::kBoth;

  for (const Case& c : {Case{"fast-300", 1, true}, Case{"fast-300", 128, true}, Case{"fast-300", 0, false},
                        Case{"paper-300", 128, true}, Case{"paper-300", 0, false}, Case{"paper-300", 1, true}}) {
    const EncoderCodec codec = need(read_encoder_codec(codecs + "/" + c.codec + ".safetensors"));
    GuideOptions guide_options{.levels = true, .feedback = c.feedback};
    guide_options.ldl.block_size = std::max(1u, c.block_size);
    const std::string title = fmt::format(
        "{}, {}", c.codec,
        c.feedback ? fmt::format("levels and feedback by blocks of {}", c.block_size) : "levels, no feedback");
    fmt::print("{}\n", title);
    const auto quantiser = need(device->quantiser(codec));
    const Encoder encoder(codec, 1, quantiser);
    WeightMatrix weights = plain;
    const auto row = [](const char* what, const Times& t) {
      fmt::print("  {:58} {:9.2f} ms   least {:9.2f}\n", what, t.median, t.least);
    };
    row("upload of the weights", milliseconds(5, [&] { weights.on_device = need(device->upload(plain)); }));
    row("scales of columns and rows",
        milliseconds(5, [&] { (void)need(weight_scales(weights, options.normalisation, {}, 0)); }));
    const WeightScales unscaled = need(weight_scales(weights, options.normalisation, {}, 0));
    const std::vector<double> rms(unscaled.columns.begin(), unscaled.columns.end());
    TensorGuide guide;
    row("guide: levels, order, factor of the Hessian", milliseconds(5, [&] {
          guide = need(make_guide({&view, 1}, 1, kSide, rms, encoder.level_errors(), guide_options, 0, device.get()));
        }));
    const WeightScales scales = need(weight_scales(weights, options.normalisation, guide.column_gains, 0));
    const Tiling tiling(1, kSide, kSide, 16, options.tile_chunks, guide.levels);
    const EncodeJob job = EncodeJob::of(weights, scales, tiling, guide, encoder);
    const StripeRange all{0, 0, tiling.stripes()};
    const Times quantised = milliseconds(c.block_size == 1 && c.codec[0] == 'p' ? 2 : 5, [&] {
      (void)need(quantiser->quantise(job, {&all, 1}));
    });
    row("quantise", quantised);
    EncodedTensor encoded;
    row("encode_tensor: scales, quantise, tables, rANS, to the host",
        milliseconds(3, [&] { encoded = need(encode_tensor(weights, guide, encoder, options, 0)); }));
    const EncodeStatistics& s = encoded.statistics;
    fmt::print("  {:.4f} bits per weight, relative squared error {:.6f}, weighted {:.6g}, patches {}, escapes {}\n",
               8.0 * static_cast<double>(s.payload_bytes) / static_cast<double>(s.weights),
               s.squared_error / s.squared_weight, s.weighted_error, s.patches, s.escapes);
    if (cores) {
      const Encoder on_cores(codec, 1);
      TensorGuide own;
      row("on the cores: guide", milliseconds(1, [&] {
            own = need(make_guide({&view, 1}, 1, kSide, rms, encoder.level_errors(), guide_options, 0));
          }));
      EncodedTensor expected;
      if (c.codec[0] == 'p' && c.block_size == 1) continue;
      row("on the cores: encode_tensor",
          milliseconds(1, [&] { expected = need(encode_tensor(plain, own, on_cores, options, 0)); }));
      fmt::print("  distortion of the device over the cores' {:+.5f} dB, bits {:+.5f} %, streams {}\n",
                 10 * std::log10(s.squared_error / expected.statistics.squared_error),
                 100 * (s.table_bits / expected.statistics.table_bits - 1),
                 encoded.stream == expected.stream ? "identical" : "differ");
    }
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace nwc

int main(int argc, char** argv) {
  if (argc < 2) nwc::fail("usage: cuda_encode_bench CODECS_DIR [no-cores]");
  nwc::run(argv[1], argc < 3);
}
