// Decoding, every figure beside its floor: bytes over the measured copy bandwidth, operations over the matrix rate that
// cuBLAS reaches here. Medians over rotating inputs that do not fit the L2 cache.
#include <fmt/format.h>

#include <cstdio>
#include <random>

#include "cuda/decode/hooks.h"
#include "cuda/support/device_test.h"
#include "measure.h"

namespace nwc::bench {
namespace {

using testing::DeviceRun;
using testing::Encoded;

constexpr uint64_t kSide = 4096, kWeights = kSide * kSide;

struct Coder {
  explicit Coder(const std::filesystem::path& path, bool oldest_instructions = false)
      : codec(need(read_encoder_codec(path))),
        encoder(codec, 99),
        device(need(cuda::DecoderHooks::create(std::make_shared<const Codec>(codec.decoder, 99), 0,
                                               {.oldest_instructions = oldest_instructions}))) {}
  EncoderCodec codec;
  Encoder encoder;
  CudaDecoder device;

  Encoded encode(uint64_t rows, uint64_t columns, EncodeOptions options, uint64_t seed) const {
    std::vector<float> values(rows * columns);
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::normal_distribution<float> gaussian(0.0f, 0.02f);
    for (float& v : values) v = gaussian(random);
    const TensorView view{"w", DType::kF32, {rows, columns}, std::as_bytes(std::span(values)), 0};
    EncodedTensor tensor = need(encode_tensor(WeightMatrix::of(view, false, view.bytes), {}, encoder, options, 0));
    last_bits = static_cast<double>(tensor.stream.size()) * 8 / static_cast<double>(values.size());
    return {"w", std::move(tensor.stream), std::move(tensor.scales), std::move(tensor.levels), tensor.header};
  }
  mutable double last_bits = 0;
};

// Single tensors, one call each.
double single(const Coder& coder, const std::vector<Encoded>& tensors, int copies, int repeats, double bandwidth,
              const std::string& name) {
  std::vector<DeviceRun> runs;
  for (int i = 0; i < copies; ++i)
    runs.push_back(
        need(DeviceRun::of(coder.device, {&tensors[static_cast<size_t>(i) % tensors.size()]}, {.verify = false})));
  const double seconds =
      median_seconds(repeats, [&](int i) { need(runs[static_cast<size_t>(i) % runs.size()].enqueue()); });
  for (const DeviceRun& run : runs) need(run.verdict());
  const double floor =
      (static_cast<double>(tensors[0].stream.size()) + 2.0 * static_cast<double>(tensors[0].header.elements())) /
      bandwidth;
  report(
      name, us(seconds), us(floor),
      fmt::format("{:.3f} bits, {} tiles",
                  static_cast<double>(tensors[0].stream.size()) * 8 / static_cast<double>(tensors[0].header.elements()),
                  runs[0].batch().tile_count()));
  return seconds;
}

// y = W x for a few x: from the compressed bytes, through cuBLAS from bf16, and decoded first.
void products(const Coder& coder, const std::vector<Encoded>& tensors, const Cublas& cublas, double bandwidth) {
  std::vector<DeviceRun> runs;
  for (size_t i = 0; i < 8; ++i)
    runs.push_back(need(DeviceRun::of(coder.device, {&tensors[i % tensors.size()]}, {.verify = false})));
  for (const DeviceRun& run : runs) need(run.enqueue());
  const cuda::DeviceMemory x = need(cuda::DeviceMemory::of(16 * kSide * 2)),
                           y = need(cuda::DeviceMemory::of(16 * kSide * 4));
  const std::vector<uint16_t> ones(16 * kSide, 0x3800);
  need(cudaMemcpy(x.data(), ones.data(), x.size(), cudaMemcpyHostToDevice));
  need(cudaMemset(y.data(), 0, y.size()));
  for (const uint32_t batch : {1u, 4u, 16u}) {
    const auto fused = [&](int i) {
      const DeviceRun& run = runs[static_cast<size_t>(i) % runs.size()];
      need(run.batch().multiply(run.scratch(), x.data(), static_cast<float*>(y.data()), batch, run.status_words(),
                                nullptr));
    };
    const auto dense = [&](int i) {
      cublas.product(kSide, static_cast<int>(batch), kSide, runs[static_cast<size_t>(i) % runs.size()].out(0), x.data(),
                     y.data());
    };
    const double ours = median_seconds(50, fused);
    const double peer = cublas.gemm != nullptr ? median_seconds(50, dense) : 0;
    const double both = cublas.gemm != nullptr
                            ? median_seconds(50,
                                             [&](int i) {
                                               need(runs[static_cast<size_t>(i) % runs.size()].enqueue());
                                               dense(i);
                                             })
                            : 0;
    report(fmt::format("matrix-vector product, batch {}", batch), us(ours),
           us(static_cast<double>(tensors[0].stream.size()) / bandwidth),
           fmt::format("cuBLAS bf16 {}, decoded then cuBLAS {}", us(peer), us(both)));
  }
  for (const DeviceRun& run : runs) need(run.verdict());
}

}  // namespace

void bench_decoding(const std::filesystem::path& codecs, const std::filesystem::path& symbols_file) {
  const double bandwidth = copy_bandwidth();
  const Cublas cublas;
  const double rate = matrix_rate(cublas);
  report("copy bandwidth", fmt::format("{:.2f} TB/s", bandwidth * 1e-12), "", "2 GiB device to device, read + write");
  report("bf16 matrix rate", fmt::format("{:.0f} TFLOP/s", rate * 1e-12), "", "cuBLAS, 8192^3, random data");

  const Coder fast(codecs / "fast-300.safetensors");
  const EncodeOptions gpu{.tile_chunks = 512, .run_groups = 1, .normalisation = {.gain = 1.17}};
  std::vector<Encoded> tensors;
  for (uint64_t seed = 1; seed <= 4; ++seed) tensors.push_back(fast.encode(kSide, kSide, gpu, seed));
  single(fast, tensors, 8, 100, bandwidth, "fast, one 4096x4096, tiles of 512");
  {
    // Tiles of the fastest size, at 4 bits with what they cost.
    EncodeOptions options = gpu;
    options.tile_chunks = 352;
    options.normalisation.gain = 1.098;
    single(fast, {fast.encode(kSide, kSide, options, 1), fast.encode(kSide, kSide, options, 2)}, 8, 100, bandwidth,
           "fast, one 4096x4096, tiles of 352, 4 bits");
  }
  for (const uint32_t tile_chunks : {256u, 352u, 384u, 448u, 768u, 1024u, 2048u}) {
    EncodeOptions options = gpu;
    options.tile_chunks = tile_chunks;
    single(fast, {fast.encode(kSide, kSide, options, 1)}, 8, 50, bandwidth,
           fmt::format("fast, one 4096x4096, tiles of {}", tile_chunks));
  }
  {
    EncodeOptions options = gpu;
    options.tile_chunks = 2048;
    options.run_groups = 64;
    single(fast, {fast.encode(kSide, kSide, options, 1)}, 8, 10, bandwidth,
           "fast, runs of 64, tiles of 2048: in passes");
  }
  for (const uint32_t tile_chunks : {512u, 2048u}) {
    std::vector<Encoded> batch_tensors;
    EncodeOptions options = gpu;
    options.tile_chunks = tile_chunks;
    for (uint64_t seed = 1; seed <= 4; ++seed)
      batch_tensors.push_back(tile_chunks == 512 ? tensors[seed - 1] : fast.encode(kSide, kSide, options, seed));
    std::vector<const Encoded*> views;
    for (size_t i = 0; i < 32; ++i) views.push_back(&batch_tensors[i % 4]);
    const DeviceRun batch = need(DeviceRun::of(fast.device, views, {.verify = false}));
    const double seconds = median_seconds(20, [&](int) { need(batch.enqueue()); });
    need(batch.verdict());
    const double floor = (static_cast<double>(batch_tensors[0].stream.size()) + 2.0 * kWeights) / bandwidth;
    report(fmt::format("fast, batch of 32, each, tiles of {}", tile_chunks), us(seconds / 32), us(floor),
           fmt::format("{:.0f} G weights/s", 32 * kWeights / seconds * 1e-9));
    const cuda::DeviceMemory symbols = need(cuda::DeviceMemory::of(cuda::DecoderHooks::symbol_bytes(batch.batch())));
    const double entropy = median_seconds(20, [&](int) {
      need(cuda::DecoderHooks::decode_symbols(batch.batch(), batch.scratch(), static_cast<uint8_t*>(symbols.data()),
                                              batch.status_words(), nullptr));
    });
    need(batch.verdict());
    report(fmt::format("entropy decoding alone, batch of 32, tiles of {}", tile_chunks),
           fmt::format("{:.0f} G symbols/s", 32 * kWeights / entropy * 1e-9),
           fmt::format("{:.0f} G symbols/s",
                       bandwidth / (1 + static_cast<double>(batch_tensors[0].stream.size()) / kWeights) * 1e-9),
           us(entropy / 32) + " each");
    if (tile_chunks == 512 && !symbols_file.empty()) {
      std::vector<std::byte> bytes(kWeights);
      need(cudaMemcpy(bytes.data(), symbols.data(), bytes.size(), cudaMemcpyDeviceToHost));
      std::FILE* const file = std::fopen(symbols_file.c_str(), "wb");
      if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
        fail("cannot write symbols");
      std::fclose(file);
    }
  }
  products(fast, tensors, cublas, bandwidth);
  {
    const Coder paper(codecs / "paper-300.safetensors");
    const uint64_t flops = paper.codec.decoder.synthesis.flops_per_chunk() * kWeights / 16;
    const std::vector<Encoded> paper_tensors{
        paper.encode(kSide, kSide, {.tile_chunks = 512, .run_groups = 1, .normalisation = {.gain = 1.17}}, 1)};
    const double seconds = single(paper, paper_tensors, 3, 5, bandwidth, "paper, one 4096x4096");
    report("paper, matrix rate reached", fmt::format("{:.0f} TFLOP/s", static_cast<double>(flops) / seconds * 1e-12),
           fmt::format("{:.2f} ms", rate > 0 ? static_cast<double>(flops) / rate * 1e3 : 0), "");
    single(paper, paper_tensors, 3, 50, bandwidth, "paper, fifty times on end");
    single(Coder(codecs / "paper-300.safetensors", true), paper_tensors, 3, 5, bandwidth,
           "paper, one 4096x4096, without wgmma");
  }
}

}  // namespace nwc::bench
