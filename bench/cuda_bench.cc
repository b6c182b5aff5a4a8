// Decoding on a CUDA device, every figure beside its floor: bytes over the measured copy bandwidth, operations over the matrix rate that
// cuBLAS reaches here. Medians over rotating inputs that do not fit the L2 cache. docs/results.md holds the figures.
//
// usage: cuda_bench CODECS_DIR [SYMBOLS_FILE]   (writes the symbols of one tensor for peers that are measured elsewhere)
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

#include "base/file.h"
#include "cuda/device_test.h"
#include "decode/tensor_decoder.h"
#include "encode/random_variates.h"

namespace nwc {
namespace {

using testing::DeviceRun;
using testing::Encoded;

constexpr uint64_t kSide = 4096, kWeights = kSide * kSide;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "cuda_bench: %s\n", why.c_str());
  std::exit(1);
}
template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().to_string());
  return *std::move(result);
}
void need(const Status& status) {
  if (!status) fail(status.error().to_string());
}
void need(cudaError_t error) {
  if (error != cudaSuccess) fail(cudaGetErrorString(error));
}

// Seconds of run(i) on the default stream: the median of `repeats` after a few to warm up.
double median_seconds(int repeats, const std::function<void(int)>& run) {
  cudaEvent_t begin, end;
  need(cudaEventCreate(&begin));
  need(cudaEventCreate(&end));
  std::vector<float> times;
  for (int i = -3; i < repeats; ++i) {
    need(cudaEventRecord(begin, nullptr));
    run(i + 3);
    need(cudaEventRecord(end, nullptr));
    need(cudaEventSynchronize(end));
    float ms = 0;
    need(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 0) times.push_back(ms);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2] * 1e-3;
}

double copy_bandwidth() {
  constexpr size_t kSize = size_t{2} << 30;
  const cuda::DeviceMemory a = need(cuda::DeviceMemory::of(kSize)), b = need(cuda::DeviceMemory::of(kSize));
  need(cudaMemset(a.data(), 0x5A, kSize));
  const double seconds = median_seconds(20, [&](int) { need(cudaMemcpyAsync(b.data(), a.data(), kSize, cudaMemcpyDeviceToDevice, nullptr)); });
  return 2.0 * kSize / seconds;
}

// bf16 products through cuBLAS, found at run time; 0 if it is not there.
struct Cublas {
  using Create = int (*)(void**);
  using Gemm = int (*)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int, const void*, void*, int, int, int, int);
  void* handle = nullptr;
  Gemm gemm = nullptr;
  Cublas() {
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      void* const library = dlopen(name, RTLD_NOW);
      if (library == nullptr) continue;
      const auto create = reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2"));
      gemm = reinterpret_cast<Gemm>(dlsym(library, "cublasGemmEx"));
      if (create == nullptr || gemm == nullptr || create(&handle) != 0) gemm = nullptr;
      return;
    }
  }
  // y [n][m] = x [n][k] W^T, W [m][k], all row-major bf16.
  void product(int m, int n, int k, const void* w, const void* x, void* y) const {
    const float one = 1, zero = 0;
    constexpr int kTransposed = 1, kPlain = 0, kBf16 = 14, kFloat = 68, kDefault = -1;
    if (gemm(handle, kTransposed, kPlain, m, n, k, &one, w, kBf16, k, x, kBf16, k, &zero, y, kBf16, m, kFloat, kDefault) != 0) fail("cublasGemmEx");
  }
};

cuda::DeviceMemory random_bf16(size_t count) {
  std::vector<uint16_t> values(count);
  std::mt19937 random(1);
  for (uint16_t& v : values) v = static_cast<uint16_t>(0x3C00 + (random() & 0x83FF));
  cuda::DeviceMemory memory = need(cuda::DeviceMemory::of(count * 2));
  need(cudaMemcpy(memory.data(), values.data(), count * 2, cudaMemcpyHostToDevice));
  return memory;
}

double matrix_rate(const Cublas& cublas) {
  if (cublas.gemm == nullptr) return 0;
  constexpr int n = 8192;
  const cuda::DeviceMemory a = random_bf16(size_t{n} * n), b = random_bf16(size_t{n} * n), c = need(cuda::DeviceMemory::of(size_t{n} * n * 2));
  return 2.0 * n * n * n / median_seconds(10, [&](int) { cublas.product(n, n, n, a.data(), b.data(), c.data()); });
}

struct Coder {
  explicit Coder(const std::filesystem::path& path) : codec(need(read_encoder_codec(path))), encoder(codec, 99), device(need(CudaDecoder::create(std::make_shared<const Codec>(codec.decoder, 99)))) {}
  EncoderCodec codec;
  Encoder encoder;
  CudaDecoder device;

  Encoded encode(uint64_t rows, uint64_t columns, EncodeOptions options, uint64_t seed) const {
    std::vector<float> values(rows * columns);
    std::mt19937 random(static_cast<uint32_t>(seed));
    std::normal_distribution<float> gaussian(0.0f, 0.02f);
    for (float& v : values) v = gaussian(random);
    const TensorView view{"w", DType::kF32, {rows, columns}, std::as_bytes(std::span(values)), 0};
    EncodedTensor tensor = need(encode_tensor(WeightMatrix::of(view, false), {}, encoder, options, 0));
    last_bits = static_cast<double>(tensor.stream.size()) * 8 / static_cast<double>(values.size());
    return {"w", std::move(tensor.stream), std::move(tensor.scales), std::move(tensor.levels), tensor.header};
  }
  mutable double last_bits = 0;
};

struct Row {
  std::string name, figure, floor, note;
};
std::vector<Row> table;
void report(const std::string& name, const std::string& figure, const std::string& floor, const std::string& note) {
  table.push_back({name, figure, floor, note});
  fmt::print("{:<52} {:>22} {:>18}  {}\n", name, figure, floor, note);
  std::fflush(stdout);
}
std::string us(double seconds) { return fmt::format("{:.1f} us", seconds * 1e6); }

// Single tensors, one call each.
double single(const Coder& coder, const std::vector<Encoded>& tensors, int copies, int repeats, double bandwidth, const std::string& name) {
  std::vector<DeviceRun> runs;
  for (int i = 0; i < copies; ++i) runs.push_back(need(DeviceRun::of(coder.device, {&tensors[static_cast<size_t>(i) % tensors.size()]}, {.verify = false})));
  const double seconds = median_seconds(repeats, [&](int i) { need(runs[static_cast<size_t>(i) % runs.size()].enqueue()); });
  for (const DeviceRun& run : runs) need(run.verdict());
  const double floor = (static_cast<double>(tensors[0].stream.size()) + 2.0 * static_cast<double>(tensors[0].header.elements())) / bandwidth;
  report(name, us(seconds), us(floor), fmt::format("{:.3f} bits, {} tiles", static_cast<double>(tensors[0].stream.size()) * 8 / static_cast<double>(tensors[0].header.elements()), runs[0].batch().tile_count()));
  return seconds;
}

void run(const std::filesystem::path& codecs, const char* symbols_file) {
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
  for (const uint32_t tile_chunks : {256u, 384u, 768u, 1024u, 2048u}) {
    EncodeOptions options = gpu;
    options.tile_chunks = tile_chunks;
    single(fast, {fast.encode(kSide, kSide, options, 1)}, 8, 50, bandwidth, fmt::format("fast, one 4096x4096, tiles of {}", tile_chunks));
  }
  {
    EncodeOptions options = gpu;
    options.tile_chunks = 2048;
    options.run_groups = 64;
    single(fast, {fast.encode(kSide, kSide, options, 1)}, 8, 10, bandwidth, "fast, runs of 64, tiles of 2048: in passes");
  }
  for (const uint32_t tile_chunks : {512u, 2048u}) {
    std::vector<Encoded> batch_tensors;
    EncodeOptions options = gpu;
    options.tile_chunks = tile_chunks;
    for (uint64_t seed = 1; seed <= 4; ++seed) batch_tensors.push_back(tile_chunks == 512 ? tensors[seed - 1] : fast.encode(kSide, kSide, options, seed));
    std::vector<const Encoded*> views;
    for (size_t i = 0; i < 32; ++i) views.push_back(&batch_tensors[i % 4]);
    const DeviceRun batch = need(DeviceRun::of(fast.device, views, {.verify = false}));
    const double seconds = median_seconds(20, [&](int) { need(batch.enqueue()); });
    need(batch.verdict());
    const double floor = (static_cast<double>(batch_tensors[0].stream.size()) + 2.0 * kWeights) / bandwidth;
    report(fmt::format("fast, batch of 32, each, tiles of {}", tile_chunks), us(seconds / 32), us(floor), fmt::format("{:.0f} G weights/s", 32 * kWeights / seconds * 1e-9));
    const cuda::DeviceMemory symbols = need(cuda::DeviceMemory::of(batch.batch().symbol_bytes()));
    const double entropy = median_seconds(20, [&](int) { need(batch.batch().decode_symbols(batch.scratch(), static_cast<uint8_t*>(symbols.data()), batch.status_words(), nullptr)); });
    need(batch.verdict());
    report(fmt::format("entropy decoding alone, batch of 32, tiles of {}", tile_chunks), fmt::format("{:.0f} G symbols/s", 32 * kWeights / entropy * 1e-9),
           fmt::format("{:.0f} G symbols/s", bandwidth / (1 + static_cast<double>(batch_tensors[0].stream.size()) / kWeights) * 1e-9), us(entropy / 32) + " each");
    if (tile_chunks == 512 && symbols_file != nullptr) {
      std::vector<std::byte> bytes(kWeights);
      need(cudaMemcpy(bytes.data(), symbols.data(), bytes.size(), cudaMemcpyDeviceToHost));
      std::FILE* const file = std::fopen(symbols_file, "wb");
      if (file == nullptr || std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) fail("cannot write symbols");
      std::fclose(file);
    }
  }
  {
    const Coder paper(codecs / "paper-300.safetensors");
    const uint64_t flops = paper.codec.decoder.synthesis.flops_per_chunk() * kWeights / 16;
    const std::vector<Encoded> paper_tensors{paper.encode(kSide, kSide, {.tile_chunks = 512, .run_groups = 1, .normalisation = {.gain = 1.17}}, 1)};
    const double seconds = single(paper, paper_tensors, 3, 5, bandwidth, "paper, one 4096x4096");
    report("paper, matrix rate reached", fmt::format("{:.0f} TFLOP/s", static_cast<double>(flops) / seconds * 1e-12), fmt::format("{:.2f} ms", rate > 0 ? static_cast<double>(flops) / rate * 1e3 : 0), "");
  }
}

}  // namespace
}  // namespace nwc

int main(int argc, char** argv) {
  if (argc < 2) nwc::fail("usage: cuda_bench CODECS_DIR [SYMBOLS_FILE]");
  if (nwc::cuda_device_count() == 0) nwc::fail("no CUDA device");
  nwc::run(argv[1], argc > 2 ? argv[2] : nullptr);
}
