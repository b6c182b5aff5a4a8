// A small checkpoint of two shards, a codec beside it, and what to compare of directories.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc::testing {

inline constexpr const char* kShards[] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};

// Compressed by default: layers.0.mlp.up_proj (F32), layers.1.mlp.up_proj (BF16), layers.1.self_attn.q_proj (F16, 3-D).
// Written without the code under test.
class TinyCheckpoint {
 public:
  TinyCheckpoint() {
    std::mt19937 random(1);
    const auto text = [&](DType dtype, std::vector<uint64_t> shape) {
      size_t n = 1;
      for (const uint64_t d : shape) n *= d;
      const OwnedMatrix matrix("", dtype, shape, random_values(n, 0.02, random));
      return text_of(matrix.bytes());
    };
    write_shards(SafetensorsBuilder()
                     .metadata("format", "pt")
                     .metadata("note", "first")
                     .add("model.embed_tokens.weight", "F32", {32, 16}, text(DType::kF32, {32, 16}))
                     .add("model.layers.0.mlp.up_proj.weight", "F32", {48, 70}, text(DType::kF32, {48, 70}))
                     .add("model.layers.0.norm.weight", "BF16", {4}, raw<uint16_t>({0x3F80, 0x7FC0, 0xFF80, 1})),
                 SafetensorsBuilder()
                     .metadata("format", "pt")
                     .add("lm_head.weight", "BF16", {32, 16}, text(DType::kBF16, {32, 16}))
                     .add("model.layers.1.mlp.up_proj.weight", "BF16", {40, 20}, text(DType::kBF16, {40, 20}))
                     .add("model.layers.1.self_attn.q_proj.weight", "F16", {2, 16, 33}, text(DType::kF16, {2, 16, 33}))
                     .add("model.position_ids", "I64", {3}, raw<int64_t>({-1, 0, 5})));
    model_.add("config.json", "{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 16\n}\n");
    model_.add("tokenizer.json", "{\"tokens\": []}");
    model_.add("README.md", "a model card");
    if (!write_encoder_codec(codec(), linear_codec())) throw std::runtime_error("cannot write the codec");
  }

  const std::filesystem::path& model() const { return model_.path(); }
  std::filesystem::path codec() const { return other_ / "tiny.safetensors"; }
  // A directory that does not exist yet.
  std::filesystem::path out(const std::string& name = "out") const { return other_ / name; }
  const TempDir& dir() const { return model_; }

  // Replaces the two shards and writes their index.
  void write_shards(const SafetensorsBuilder& first, const SafetensorsBuilder& second) const {
    const std::string bytes[] = {first.bytes(), second.bytes()};
    std::string entries;
    size_t total = 0;
    for (int s = 0; s < 2; ++s) {
      model_.add(kShards[s], bytes[s]);
      const Result<SafetensorsFile> file = SafetensorsFile::parse(bytes_of(bytes[s]), "shard");
      for (const TensorView& tensor : file->tensors()) {
        entries += (entries.empty() ? "\"" : ",\"") + tensor.name + "\":\"" + kShards[s] + "\"";
        total += tensor.bytes.size();
      }
    }
    model_.add("model.safetensors.index.json",
               "{\"metadata\":{\"total_size\":" + std::to_string(total) + "},\"weight_map\":{" + entries + "}}");
  }

 private:
  TempDir model_, other_;
};

// Every file below a directory by its relative path.
inline std::map<std::string, std::string> contents_of(const std::filesystem::path& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file())
      contents[entry.path().lexically_relative(directory).generic_string()] = read_file(entry.path());
  }
  return contents;
}

}  // namespace nwc::testing
