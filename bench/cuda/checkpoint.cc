// A checkpoint of Llama 3 8B's shapes: compressed, data-free, then decoded into the device's memory.
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/half.h"
#include "base/parallel.h"
#include "checkpoint/index.h"
#include "checkpoint/safetensors_writer.h"
#include "compress/compress.h"
#include "measure.h"
#include "nwcodec/cuda_checkpoint.h"
#include "tensor/device.h"

namespace nwc::bench {
namespace {

namespace fs = std::filesystem;
constexpr size_t kShards = 4;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// About Gaussian, in bf16; the same numbers for every tensor of a shape.
std::vector<std::byte> random_weights(uint64_t elements) {
  std::vector<std::byte> bytes(elements * 2);
  constexpr uint64_t kPiece = 1 << 20;
  need(parallel_for((elements + kPiece - 1) / kPiece, 0, [&](size_t piece, int) -> Status {
    uint64_t state = piece * 0x9E3779B97F4A7C15ull + 1;
    for (uint64_t i = piece * kPiece; i < std::min(elements, (piece + 1) * kPiece); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      float sum = 0;
      for (int part = 0; part < 4; ++part) sum += static_cast<float>(state >> (16 * part) & 0xFFFF);
      const uint16_t value = bf16_from_float((sum - 131070.0f) * 5e-7f);
      std::memcpy(bytes.data() + 2 * i, &value, 2);
    }
    return {};
  }));
  return bytes;
}

struct Planned {
  std::string name;
  uint64_t rows, columns;
};

void write_model(const fs::path& directory, size_t layers) {
  fs::create_directories(directory);
  std::vector<std::vector<Planned>> shards(kShards);
  shards.front().push_back({"model.embed_tokens.weight", 128256, 4096});
  for (size_t l = 0; l < layers; ++l) {
    const std::string prefix = fmt::format("model.layers.{}.", l);
    for (const Planned& t :
         {Planned{"self_attn.q_proj.weight", 4096, 4096}, Planned{"self_attn.k_proj.weight", 1024, 4096},
          Planned{"self_attn.v_proj.weight", 1024, 4096}, Planned{"self_attn.o_proj.weight", 4096, 4096},
          Planned{"mlp.gate_proj.weight", 14336, 4096}, Planned{"mlp.up_proj.weight", 14336, 4096},
          Planned{"mlp.down_proj.weight", 4096, 14336}}) {
      shards[l * kShards / layers].push_back({prefix + t.name, t.rows, t.columns});
    }
  }
  shards.back().push_back({"lm_head.weight", 128256, 4096});
  const std::vector<std::byte> values = random_weights(uint64_t{128256} * 4096);
  WeightMap map;
  uint64_t total = 0;
  for (size_t s = 0; s < kShards; ++s) {
    for (const Planned& t : shards[s]) {
      map.emplace(t.name, shard_file_name(s + 1, kShards));
      total += 2 * t.rows * t.columns;
    }
  }
  need(parallel_for(kShards, 0, [&](size_t s, int) -> Status {
    std::vector<PlannedTensor> plan;
    for (const Planned& t : shards[s]) plan.push_back({t.name, DType::kBF16, {t.rows, t.columns}});
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                         SafetensorsWriter::create(directory / shard_file_name(s + 1, kShards), plan, {}, {}, {}));
    for (const Planned& t : shards[s])
      NWC_RETURN_IF_ERROR(writer.write(t.name, 0, std::span(values).first(2 * t.rows * t.columns)));
    return writer.finish();
  }));
  need(write_index(directory, total, map));
  need(write_file(directory / "config.json", "{\"model_type\": \"llama\"}\n"));
}

}  // namespace

void bench_checkpoint(const fs::path& codecs, const fs::path& directory, size_t layers) {
  const fs::path model = directory / "model", small = directory / "small";
  const Stopwatch writing;
  write_model(model, layers);
  fmt::print("written in {:.1f} s\n", writing.seconds());
  const auto device = need(open_encode_device("cuda"));
  CompressOptions options{.model = model,
                          .output = small,
                          .codecs = {codecs / "fast-300.safetensors"},
                          .force = true,
                          .device = device.get()};
  options.encode.tile_chunks = 512;
  options.encode.run_groups = 1;
  options.encode.normalisation.gain = 1.17;
  const Stopwatch compressing;
  const CompressReport report = need(compress_checkpoint(options, {}));
  const double seconds = compressing.seconds();
  const CompressionTotals totals = totals_of(report.tensors);
  const double weights = static_cast<double>(totals.statistics.weights);
  fmt::print(
      "8B shapes ({} layers) compressed on {}: {:.2f} s, {:.2f} GB of weights in, {:.2f} GB/s; {:.3f} bits per "
      "weight\n",
      layers, device->name(), seconds, static_cast<double>(report.input_bytes) * 1e-9,
      static_cast<double>(report.input_bytes) * 1e-9 / seconds,
      8.0 * static_cast<double>(totals.statistics.payload_bytes + totals.side_bytes) / weights);
  for (const StageTime& stage : report.stages) fmt::print("  {:30} {:8.2f} s\n", stage.name, stage.seconds);
  double encoding = 0;
  for (const TensorRecord& t : report.tensors) encoding += t.encoding->seconds;
  fmt::print("  {:30} {:8.2f} s\n", "of which tensors", encoding);
  for (const bool verify : {true, false}) {
    for (int round = 0; round < 2; ++round) {
      const Stopwatch loading;
      const CudaWeights loaded = need(CudaWeights::load(small, {.verify = verify}, {}));
      need(cudaDeviceSynchronize());
      const double load_seconds = loading.seconds();
      double out = 0;
      for (const CudaWeights::Tensor& t : loaded.list()) out += static_cast<double>(t.bytes);
      fmt::print("decoded into GPU memory{}, {}: {:.2f} s, {:.1f} GB/s of {:.2f} GB out\n", verify ? ", verified" : "",
                 round == 0 ? "first" : "again", load_seconds, out * 1e-9 / load_seconds, out * 1e-9);
    }
  }
  fs::remove_all(model);
  fs::remove_all(small);
}

}  // namespace nwc::bench
