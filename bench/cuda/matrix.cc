// Matrices that stay in a device's memory, in the layout made for products: bytes, weights, products beside cuBLAS.
#include <fmt/format.h>

#include <cmath>
#include <random>
#include <span>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "cuda/decode/hooks.h"
#include "cuda/support/device_test.h"
#include "guide/sensitivity.h"
#include "measure.h"
#include "nwcodec/cuda_matrix.h"
#include "tensor/device.h"
#include "tensor/tensor_encoder.h"

namespace nwc::bench {
namespace {

using testing::Encoded;

constexpr size_t kMatrices = 8;  // of which products take turns, so that caches do not have them

// Second moments of independent inputs and outputs, whose sizes differ as SmolLM2's do.
StoredFisher independent_moments(uint64_t rows, uint64_t columns) {
  StoredFisher fisher{.matrices = 1, .features = columns, .output_features = rows};
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  const auto add = [&](uint64_t n, float deviation, std::vector<float>& triangle) {
    for (uint64_t i = 0; i < n; ++i) {
      triangle.insert(triangle.end(), i, 0.0f);
      triangle.push_back(std::exp(2 * deviation * normal(random)));
    }
  };
  add(columns, 0.37f, fisher.inputs);
  add(rows, 0.3f, fisher.outputs);
  for (uint64_t i = 0; i < rows; ++i) fisher.rows.push_back(fisher.outputs[i * (i + 3) / 2]);
  return fisher;
}

struct Stream {
  EncoderCodec codec;
  Encoded encoded;
};
Stream encode(EncodeDevice& device, uint64_t rows, uint64_t columns, double bits) {
  const std::vector<std::byte> bytes = gaussian_bf16(rows * columns);
  const WeightMatrix weights{"w", DType::kBF16, 2, false, 1, rows, columns, bytes};
  const double octaves = octaves_for(bits, true);
  Stream made{trellis_codec(make_trellis(8), kCentreContext, octaves), {}};
  const Encoder encoder(made.codec, 99, need(device.quantiser(made.codec)));
  const auto there = need(device.upload(weights));
  EncodeOptions options{.run_groups = 1, .trellis_states = 8, .rate_weight = best_rate_weight(8)};
  options.normalisation.gain = std::exp2(octaves);
  const std::vector<int64_t> tokens{100'000};
  TensorGuide guide =
      need(make_sensitivity_guide(independent_moments(rows, columns), {tokens, tokens[0]}, weights,
                                  {.steps = StepRule::kSensitivity, .feedback = Feedback::kNone}, 0, &device));
  const SpreadSum sum = need(sum_of_spreads(weights, guide, 0));
  need(settle_steps(weights, sum.log2_spread / sum.weights, 0, guide));
  EncodedTensor e = need(encode_tensor(weights, guide, encoder, options, 0, there.get()));
  made.encoded = {"w", std::move(e.stream), std::move(e.scales), {}, e.header};
  return made;
}

void bench_shape(EncodeDevice& device, const Cublas& cublas, uint64_t rows, uint64_t columns, double bits) {
  const Stream stream = encode(device, rows, columns, bits);
  const double weights = static_cast<double>(rows) * static_cast<double>(columns);
  const CudaDecoder decoder =
      need(cuda::DecoderHooks::create(std::make_shared<const Codec>(stream.codec.decoder, 99), 0, {}));
  const CudaMatrices matrices = need(CudaMatrices::of(decoder));
  const size_t size = stream.encoded.stream.size();
  const cuda::DeviceMemory bytes = need(cuda::DeviceMemory::of((size + 3) / 4 * 4));
  need(cudaMemcpy(bytes.data(), stream.encoded.stream.data(), size, cudaMemcpyHostToDevice));
  const CudaTensor tensor{"w", stream.encoded.stream, stream.encoded.scales, {}, bytes.data(), nullptr, DType::kBF16,
                          {}};
  std::vector<CudaMatrix> all;
  std::vector<cuda::DeviceMemory> dense;
  const HostTimes packing = host_seconds(1, [&] { need(matrices.make(tensor, false, nullptr)); });
  for (size_t i = 0; i < kMatrices; ++i) {
    all.push_back(need(matrices.make(tensor, false, nullptr)));
    dense.push_back(need(cuda::DeviceMemory::of(rows * columns * 2)));
  }
  fmt::print("{} x {}: stream {:.3f} bits, in memory {:.3f} bits ({:.3f} times the stream), packed in {:.2f} ms\n",
             rows, columns, 8.0 * static_cast<double>(size) / weights,
             8.0 * static_cast<double>(all[0].device_bytes()) / weights,
             static_cast<double>(all[0].device_bytes()) / static_cast<double>(size), 1e3 * packing.least);
  const auto rate = [&](double seconds) { return fmt::format("{:.0f} G weights/s", weights / seconds * 1e-9); };
  const double decoding = median_seconds(20, [&](int i) {
    need(all[static_cast<size_t>(i) % kMatrices].decode(dense[static_cast<size_t>(i) % kMatrices].data(), DType::kBF16,
                                                        nullptr));
  });
  report("  decoding to BF16", us(decoding), "", rate(decoding));
  const cuda::DeviceMemory workspace = need(cuda::DeviceMemory::of(all[0].workspace_bytes()));
  need(cudaMemset(workspace.data(), 0, workspace.size()));
  for (const uint32_t batch : {1u, 4u, 8u, 16u}) {
    const cuda::DeviceMemory x = need(cuda::DeviceMemory::of(batch * columns * 2)),
                             y = need(cuda::DeviceMemory::of(batch * rows * 4));
    need(cudaMemset(x.data(), 0x3C, x.size()));
    const double product = median_seconds(40, [&](int i) {
      need(all[static_cast<size_t>(i) % kMatrices].multiply(x.data(), DType::kBF16, static_cast<float*>(y.data()),
                                                            batch, workspace.data(), nullptr));
    });
    const double peer = cublas.gemm == nullptr ? 0 : median_seconds(40, [&](int i) {
      cublas.product(static_cast<int>(rows), static_cast<int>(batch), static_cast<int>(columns),
                     dense[static_cast<size_t>(i) % kMatrices].data(), x.data(), y.data());
    });
    // On end, so that the host's part of a launch is hidden.
    constexpr int kOnEnd = 50;
    const double on_end =
        median_seconds(5,
                       [&](int) {
                         for (size_t i = 0; i < kOnEnd; ++i)
                           need(all[i % kMatrices].multiply(x.data(), DType::kBF16, static_cast<float*>(y.data()),
                                                            batch, workspace.data(), nullptr));
                       }) /
        kOnEnd;
    const double peer_on_end =
        cublas.gemm == nullptr ? 0 : median_seconds(5, [&](int) {
                                       for (size_t i = 0; i < kOnEnd; ++i)
                                         cublas.product(static_cast<int>(rows), static_cast<int>(batch),
                                                        static_cast<int>(columns), dense[i % kMatrices].data(),
                                                        x.data(), y.data());
                                     }) / kOnEnd;
    report(fmt::format("  product, batch {}", batch), us(product), "cuBLAS " + us(peer),
           fmt::format("{:.2f} times cuBLAS; on end {}, {}: {:.2f}", product / peer, us(on_end), us(peer_on_end),
                       on_end / peer_on_end));
  }
}

}  // namespace

void bench_matrix(const Shape& only) {
  const auto device = need(open_encode_device("cuda"));
  const Cublas cublas;
  fmt::print("{}\n", device->name());
  const Shape shapes[] = {{4096, 4096, 4},  {14336, 4096, 4}, {4096, 14336, 4}, {4096, 4096, 3},
                          {14336, 4096, 3}, {4096, 14336, 3}, {576, 576, 4}};
  for (const Shape& shape : only.rows > 0 ? std::span(&only, 1) : std::span(shapes))
    bench_shape(*device, cublas, shape.rows, shape.columns, shape.bits);
}

}  // namespace nwc::bench
