// Writes a synthetic checkpoint in the shape of a Llama model: Gaussian weights, config.json, one file or several
// shards. The same options give the same bytes. Weights are written in pieces, so that memory stays small whatever the
// size.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <numbers>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/half.h"
#include "checkpoint/index.h"
#include "checkpoint/safetensors_writer.h"
#include "nwcodec/dtype.h"

namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPieceElements = 1 << 20;

struct Options {
  fs::path output;
  uint64_t bytes = 0;  // 0: as `layers` says
  uint64_t layers = 2, hidden = 64, intermediate = 0, vocabulary = 64, shards = 1, seed = 1;
  uint64_t heads = 0, kv_heads = 0;  // 0: one for each 128 of `hidden`; as many as `heads`
  bool untied = false;               // with a head of its own
  uint64_t zero_columns = 0;         // every so many-th column of the linear weights is zero; 0: none
  double deviation = 0.02;
  std::string dtype = "BF16";
  std::vector<std::string> nan, infinite, garbage;  // tensors whose last weight is none
};

struct Tensor {
  std::string name;
  std::vector<uint64_t> shape;
  uint64_t elements() const { return shape.size() == 2 ? shape[0] * shape[1] : shape[0]; }
  bool is_norm() const { return shape.size() == 1; }
};

std::vector<Tensor> tensors_of_layer(const Options& o, uint64_t layer) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const uint64_t h = o.hidden, m = o.intermediate, kv = h / o.heads * o.kv_heads;
  return {{prefix + "input_layernorm.weight", {h}},      {prefix + "self_attn.q_proj.weight", {h, h}},
          {prefix + "self_attn.k_proj.weight", {kv, h}}, {prefix + "self_attn.v_proj.weight", {kv, h}},
          {prefix + "self_attn.o_proj.weight", {h, h}},  {prefix + "post_attention_layernorm.weight", {h}},
          {prefix + "mlp.gate_proj.weight", {m, h}},     {prefix + "mlp.up_proj.weight", {m, h}},
          {prefix + "mlp.down_proj.weight", {h, m}}};
}

// Shard by shard. Layers are spread evenly; the embedding comes first, the last norm and the head last.
std::vector<std::vector<Tensor>> lay_out(const Options& o) {
  std::vector<std::vector<Tensor>> shards(o.shards);
  shards.front().push_back({"model.embed_tokens.weight", {o.vocabulary, o.hidden}});
  for (uint64_t layer = 0; layer < o.layers; ++layer) {
    std::vector<Tensor>& shard = shards[layer * o.shards / o.layers];
    for (Tensor& tensor : tensors_of_layer(o, layer)) shard.push_back(std::move(tensor));
  }
  shards.back().push_back({"model.norm.weight", {o.hidden}});
  if (o.untied) shards.back().push_back({"lm_head.weight", {o.vocabulary, o.hidden}});
  return shards;
}

// SplitMix64; 16 bits of it choose one of 65536 normal deviates.
class Gaussian {
 public:
  Gaussian(uint64_t seed, double deviation) : state_(seed), table_(1 << 16) {
    for (size_t i = 0; i < table_.size(); i += 2) {
      const double u = (static_cast<double>(next() >> 11) + 1.0) * 0x1p-53,
                   v = static_cast<double>(next() >> 11) * 0x1p-53;
      const double radius = deviation * std::sqrt(-2.0 * std::log(u));
      table_[i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * v));
      table_[i + 1] = static_cast<float>(radius * std::sin(2 * std::numbers::pi * v));
    }
  }
  float operator()() {
    if (left_ == 0) {
      bits_ = next();
      left_ = 4;
    }
    --left_;
    const float value = table_[bits_ & 0xFFFF];
    bits_ >>= 16;
    return value;
  }

 private:
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  uint64_t state_, bits_ = 0;
  int left_ = 0;
  std::vector<float> table_;
};

void store(nwc::DType dtype, float value, std::byte* out) {
  if (dtype == nwc::DType::kF32) return nwc::store_le(out, value);
  nwc::store_le(out, dtype == nwc::DType::kF16 ? nwc::half_from_float(value) : nwc::bf16_from_float(value));
}

nwc::Status write_tensor(const Options& o, nwc::DType dtype, const Tensor& tensor, Gaussian& gaussian,
                         nwc::SafetensorsWriter& writer) {
  const uint64_t size = nwc::bits_of(dtype) / 8, elements = tensor.elements(), columns = tensor.shape.back();
  const bool linear = !tensor.is_norm() && tensor.name.find("embed") == std::string::npos;
  const auto is_among = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), tensor.name) != names.end();
  };
  std::vector<std::byte> piece;
  for (uint64_t begin = 0; begin < elements; begin += kPieceElements) {
    const uint64_t end = std::min(elements, begin + kPieceElements);
    piece.resize((end - begin) * size);
    for (uint64_t i = begin; i < end; ++i) {
      float value = tensor.is_norm() ? 1.0f : gaussian();
      if (linear && o.zero_columns > 0 && i % columns % o.zero_columns == 0) value = 0.0f;
      if (i + 1 == elements && is_among(o.nan)) value = std::bit_cast<float>(0x7FC00000u);
      if (i + 1 == elements && is_among(o.infinite)) value = std::bit_cast<float>(0xFF800000u);
      if (i + 1 == elements && is_among(o.garbage)) value = 1e15f;
      store(dtype, value, piece.data() + (i - begin) * size);
    }
    NWC_RETURN_IF_ERROR(writer.write(tensor.name, begin * size, piece));
  }
  return {};
}

std::string config_text(const Options& o, nwc::DType dtype) {
  const std::string name = dtype == nwc::DType::kF32 ? "float32" : dtype == nwc::DType::kF16 ? "float16" : "bfloat16";
  return "{\n  \"architectures\": [\"LlamaForCausalLM\"],\n  \"model_type\": \"llama\",\n  \"torch_dtype\": \"" + name +
         "\",\n  \"hidden_size\": " + std::to_string(o.hidden) +
         ",\n  \"intermediate_size\": " + std::to_string(o.intermediate) +
         ",\n  \"num_hidden_layers\": " + std::to_string(o.layers) +
         ",\n  \"num_attention_heads\": " + std::to_string(o.heads) +
         ",\n  \"num_key_value_heads\": " + std::to_string(o.kv_heads) +
         ",\n  \"vocab_size\": " + std::to_string(o.vocabulary) +
         ",\n  \"max_position_embeddings\": 2048,\n  \"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0,\n  "
         "\"hidden_act\": \"silu\",\n"
         "  \"tie_word_embeddings\": " +
         (o.untied ? "false" : "true") + "\n}\n";
}

nwc::Status make(Options o) {
  const nwc::DType dtype = *nwc::dtype_from_name(o.dtype);
  const uint64_t size = nwc::bits_of(dtype) / 8;
  if (o.intermediate == 0) o.intermediate = o.hidden * 11 / 4;
  if (o.heads == 0) o.heads = std::max<uint64_t>(1, o.hidden / 128);
  if (o.kv_heads == 0) o.kv_heads = o.heads;
  if (o.bytes > 0) {
    uint64_t layer = 0;
    for (const Tensor& tensor : tensors_of_layer(o, 0)) layer += tensor.elements() * size;
    o.layers = std::max<uint64_t>(1, (o.bytes + layer / 2) / layer);
  }
  o.shards = std::clamp<uint64_t>(o.shards, 1, o.layers);
  std::error_code failure;
  fs::create_directories(o.output, failure);
  Gaussian gaussian(o.seed, o.deviation);
  nwc::WeightMap weight_map;
  uint64_t total = 0;
  const std::vector<std::vector<Tensor>> shards = lay_out(o);
  for (size_t s = 0; s < shards.size(); ++s) {
    const std::string name =
        shards.size() == 1 ? std::string(nwc::kSingleFileName) : nwc::shard_file_name(s + 1, shards.size());
    std::vector<nwc::PlannedTensor> plan;
    for (const Tensor& tensor : shards[s]) {
      plan.push_back({tensor.name, dtype, tensor.shape});
      weight_map.emplace(tensor.name, name);
      total += tensor.elements() * size;
    }
    NWC_ASSIGN_OR_RETURN(nwc::SafetensorsWriter writer,
                         nwc::SafetensorsWriter::create(o.output / name, std::move(plan), {}, {}, {}));
    for (const Tensor& tensor : shards[s]) NWC_RETURN_IF_ERROR(write_tensor(o, dtype, tensor, gaussian, writer));
    NWC_RETURN_IF_ERROR(writer.finish());
  }
  if (shards.size() > 1) NWC_RETURN_IF_ERROR(nwc::write_index(o.output, total, weight_map));
  return nwc::write_file(o.output / "config.json", config_text(o, dtype));
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Writes a synthetic checkpoint.", "make_checkpoint");
  app.add_option("output", o.output, "Directory to write")->required();
  app.add_option("--bytes", o.bytes, "About so many bytes of weights, by the number of layers");
  app.add_option("--layers", o.layers, "Number of layers")->check(CLI::PositiveNumber);
  app.add_option("--hidden", o.hidden, "Hidden size")->check(CLI::PositiveNumber);
  app.add_option("--intermediate", o.intermediate,
                 "Width of the feed-forward part; default 2.75 times the hidden size");
  app.add_option("--heads", o.heads, "Attention heads; default one for each 128 of the hidden size");
  app.add_option("--kv-heads", o.kv_heads, "Heads of keys and values; default as many as attention heads");
  app.add_flag("--untied", o.untied, "With a head of its own");
  app.add_option("--vocabulary", o.vocabulary, "Rows of the embedding")->check(CLI::PositiveNumber);
  app.add_option("--shards", o.shards, "Number of files");
  app.add_option("--dtype", o.dtype, "F32, F16 or BF16")->check(CLI::IsMember({"F32", "F16", "BF16"}));
  app.add_option("--seed", o.seed, "Seed of the weights");
  app.add_option("--deviation", o.deviation, "Standard deviation of the weights");
  app.add_option("--zero-columns", o.zero_columns, "Every so many-th column of the linear weights is zero");
  app.add_option("--nan", o.nan, "Tensors whose last weight is NaN");
  app.add_option("--inf", o.infinite, "Tensors whose last weight is minus infinity");
  app.add_option("--garbage", o.garbage, "Tensors whose last weight is 1e15");
  CLI11_PARSE(app, argc, argv);
  if (const nwc::Status status = make(o); !status) {
    std::fprintf(stderr, "make_checkpoint: %s\n", status.error().to_string().c_str());
    return 1;
  }
  return 0;
}
