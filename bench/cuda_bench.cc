// Decoding on a CUDA device, every figure beside its floor: bytes over the measured copy bandwidth, operations over the matrix rate that
// cuBLAS reaches here. Medians over rotating inputs that do not fit the L2 cache. docs/results.md holds the figures.
//
// usage: cuda_bench CODECS_DIR [SYMBOLS_FILE [SCRATCH_DIR]]   (writes the symbols of one tensor for peers that are measured elsewhere; with a
// directory, also writes a checkpoint of Llama 3 8B's shapes there and loads it)
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>

#include "base/file.h"
#include "base/half.h"
#include "cuda/device_test.h"
#include "decode/tensor_decoder.h"
#include "checkpoint/safetensors_writer.h"
#include "base/hash.h"
#include "format/stream_header.h"
#include "nwcodec/cuda_checkpoint.h"

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
    constexpr int kTransposed = 1, kPlain = 0, kBf16 = 14, kFloat = 68 /* CUBLAS_COMPUTE_32F */, kDefault = -1;
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
  explicit Coder(const std::filesystem::path& path, bool oldest_instructions = false)
      : codec(need(read_encoder_codec(path))), encoder(codec, 99),
        device(need(CudaDecoder::create(std::make_shared<const Codec>(codec.decoder, 99), 0, {.oldest_instructions = oldest_instructions}))) {}
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

// The same stream under another name: tensor id and checksums are the only bytes that depend on it.
std::vector<std::byte> renamed(const Encoded& tensor, const std::string& name) {
  ParsedStream parsed = need(parse_stream(tensor.stream));
  parsed.header.tensor_id = xxh3(name);
  std::vector<TileIndexEntry> index;
  for (size_t t = 0; t < parsed.tiles.size(); ++t) {
    const ParsedStream::Tile& tile = parsed.tiles[t];
    index.push_back({tile.size, tile_checksum(std::span(tensor.stream).subspan(tile.offset, tile.size), parsed.header.tensor_id, t)});
  }
  std::vector<std::byte> stream = serialise_stream_head(parsed.header, parsed.own_tables, index);
  stream.insert(stream.end(), tensor.stream.begin() + static_cast<ptrdiff_t>(parsed.tiles[0].offset), tensor.stream.end());
  return stream;
}

double seconds_since(std::chrono::steady_clock::time_point begin) { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

// Llama 3 8B's linear layers, each shape encoded once and stored under all its names, and its embeddings plain; loaded from the page cache.
void checkpoint(const std::filesystem::path& codecs, const std::filesystem::path& directory, double bandwidth) {
  std::filesystem::create_directories(directory);
  EncoderCodec codec = need(read_encoder_codec(codecs / "fast-300.safetensors"));
  const std::filesystem::path codec_path = directory / "codec.safetensors";
  need(write_tensors(codec_path, decoder_tensors(codec.decoder), {{kVersionKey, "1"}}));
  const uint64_t id = xxh3(need(MappedFile::open(codec_path)).bytes());
  const Encoder encoder(codec, id);
  struct Kind {
    const char* name;
    uint64_t rows, columns;
  };
  const Kind kinds[] = {{"self_attn.q_proj", 4096, 4096}, {"self_attn.k_proj", 1024, 4096}, {"self_attn.v_proj", 1024, 4096}, {"self_attn.o_proj", 4096, 4096},
                        {"mlp.gate_proj", 14336, 4096},   {"mlp.up_proj", 14336, 4096},     {"mlp.down_proj", 4096, 14336}};
  const EncodeOptions options{.tile_chunks = 512, .run_groups = 1, .normalisation = {.gain = 1.17}};
  std::vector<Encoded> layer;
  double weights = 0;
  const auto encoding = std::chrono::steady_clock::now();
  for (const Kind& kind : kinds) {
    std::vector<float> values(kind.rows * kind.columns);
    uint64_t state = kind.rows + kind.columns;  // uniform numbers summed: near enough to a Gaussian, and quick
    for (float& v : values) {
      float sum = 0;
      state = state * 6364136223846793005u + 1442695040888963407u;
      for (int i = 0; i < 4; ++i) sum += static_cast<float>(state >> (16 * i) & 0xFFFF);
      v = (sum - 131070.0f) * 5e-7f;
    }
    std::vector<uint16_t> bf16(values.size());
    for (size_t i = 0; i < values.size(); ++i) bf16[i] = bf16_from_float(values[i]);
    const TensorView tensor{"w", DType::kBF16, {kind.rows, kind.columns}, std::as_bytes(std::span(bf16)), 0};
    EncodedTensor encoded = need(encode_tensor(WeightMatrix::of(tensor, false), {}, encoder, options, 0));
    layer.push_back({"w", std::move(encoded.stream), std::move(encoded.scales), {}, encoded.header});
    weights += static_cast<double>(values.size());
  }
  report("one layer of 8B encoded on the CPU", fmt::format("{:.1f} s", seconds_since(encoding)), "", fmt::format("{:.0f} M weights, random numbers included", weights * 1e-6));
  std::vector<std::string> streams;
  std::vector<PlannedTensor> fixed;
  for (int l = 0; l < 32; ++l) {
    for (size_t k = 0; k < layer.size(); ++k) {
      const std::string name = fmt::format("model.layers.{}.{}.weight", l, kinds[k].name);
      streams.push_back(name + kStreamSuffix);
      fixed.push_back({name + kScalesSuffix, DType::kF16, {layer[k].scales.size() / 2}});
    }
  }
  const std::vector<std::byte> embedding(size_t{128256} * 4096 * 2, std::byte{0x3C});
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) fixed.push_back({name, DType::kBF16, {128256, 4096}});
  SafetensorsWriter writer = need(SafetensorsWriter::create(directory / "model.safetensors", fixed, streams, {{kVersionKey, "1"}}, {.checksums = true}));
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) need(writer.write(name, 0, embedding));
  for (size_t i = 0; i < streams.size(); ++i) {
    const Encoded& tensor = layer[i % layer.size()];
    const std::string name = streams[i].substr(0, streams[i].size() - std::string(kStreamSuffix).size());
    need(writer.write(name + kScalesSuffix, 0, tensor.scales));
    need(writer.append(streams[i], renamed(tensor, name)));
  }
  need(writer.finish());
  const double bytes = static_cast<double>(std::filesystem::file_size(directory / "model.safetensors"));
  for (const bool verify : {true, false}) {
    for (int round = 0; round < 2; ++round) {
      const auto loading = std::chrono::steady_clock::now();
      const CudaWeights loaded = need(CudaWeights::load(directory, {.verify = verify}, {}));
      need(cudaDeviceSynchronize());
      const double seconds = seconds_since(loading);
      double out = 0;
      for (const CudaWeights::Tensor& t : loaded.list()) out += static_cast<double>(t.bytes);
      report(fmt::format("8B checkpoint to GPU memory{}, {}", verify ? ", verified" : "", round == 0 ? "first" : "again"), fmt::format("{:.2f} s, {:.1f} GB/s out", seconds, out / seconds * 1e-9),
             fmt::format("{:.1f} ms", (bytes + out) / bandwidth * 1e3), fmt::format("{:.2f} GB of files, {:.2f} GB of weights", bytes * 1e-9, out * 1e-9));
    }
  }
}

// y = W x for a few x: from the compressed bytes, through cuBLAS from bf16, and decoded first.
void products(const Coder& coder, const std::vector<Encoded>& tensors, const Cublas& cublas, double bandwidth) {
  std::vector<DeviceRun> runs;
  for (size_t i = 0; i < 8; ++i) runs.push_back(need(DeviceRun::of(coder.device, {&tensors[i % tensors.size()]}, {.verify = false})));
  for (const DeviceRun& run : runs) need(run.enqueue());
  const cuda::DeviceMemory x = need(cuda::DeviceMemory::of(16 * kSide * 2)), y = need(cuda::DeviceMemory::of(16 * kSide * 4));
  const std::vector<uint16_t> ones(16 * kSide, 0x3800);
  need(cudaMemcpy(x.data(), ones.data(), x.size(), cudaMemcpyHostToDevice));
  need(cudaMemset(y.data(), 0, y.size()));
  for (const uint32_t batch : {1u, 4u, 16u}) {
    const auto fused = [&](int i) {
      const DeviceRun& run = runs[static_cast<size_t>(i) % runs.size()];
      need(run.batch().multiply(run.scratch(), x.data(), static_cast<float*>(y.data()), batch, run.status_words(), nullptr));
    };
    const auto dense = [&](int i) { cublas.product(kSide, static_cast<int>(batch), kSide, runs[static_cast<size_t>(i) % runs.size()].out(0), x.data(), y.data()); };
    const double ours = median_seconds(50, fused);
    const double peer = cublas.gemm != nullptr ? median_seconds(50, dense) : 0;
    const double both = cublas.gemm != nullptr ? median_seconds(50, [&](int i) {
      need(runs[static_cast<size_t>(i) % runs.size()].enqueue());
      dense(i);
    }) : 0;
    report(fmt::format("matrix-vector product, batch {}", batch), us(ours), us(static_cast<double>(tensors[0].stream.size()) / bandwidth),
           fmt::format("cuBLAS bf16 {}, decoded then cuBLAS {}", us(peer), us(both)));
  }
  for (const DeviceRun& run : runs) need(run.verdict());
}

void run(const std::filesystem::path& codecs, const char* symbols_file, const char* scratch) {
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
  for (const uint32_t tile_chunks : {256u, 352u, 384u, 448u, 768u, 1024u, 2048u}) {
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
  products(fast, tensors, cublas, bandwidth);
  {
    const Coder paper(codecs / "paper-300.safetensors");
    const uint64_t flops = paper.codec.decoder.synthesis.flops_per_chunk() * kWeights / 16;
    const std::vector<Encoded> paper_tensors{paper.encode(kSide, kSide, {.tile_chunks = 512, .run_groups = 1, .normalisation = {.gain = 1.17}}, 1)};
    const double seconds = single(paper, paper_tensors, 3, 5, bandwidth, "paper, one 4096x4096");
    report("paper, matrix rate reached", fmt::format("{:.0f} TFLOP/s", static_cast<double>(flops) / seconds * 1e-12), fmt::format("{:.2f} ms", rate > 0 ? static_cast<double>(flops) / rate * 1e3 : 0), "");
    single(paper, paper_tensors, 3, 50, bandwidth, "paper, fifty times on end");
    single(Coder(codecs / "paper-300.safetensors", true), paper_tensors, 3, 5, bandwidth, "paper, one 4096x4096, without wgmma");
  }
  if (scratch != nullptr) checkpoint(codecs, scratch, bandwidth);
}

}  // namespace
}  // namespace nwc

int main(int argc, char** argv) {
  if (argc < 2) nwc::fail("usage: cuda_bench CODECS_DIR [SYMBOLS_FILE]");
  if (nwc::cuda_device_count() == 0) nwc::fail("no CUDA device");
  nwc::run(argv[1], argc > 2 ? argv[2] : nullptr, argc > 3 ? argv[3] : nullptr);
}
