// The fixture checkpoints: tiny models of every family with the outputs that transformers computes. Some stand in
// tests/data/families; the others are not part of the source tree: NWCODEC_FIXTURES names their directory, or they
// stand in ../shared/fixtures. Includes LibTorch.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include "libtorch/tensors.h"
#include "model/causal_lm.h"
#include "model/encoders/encoder_model.h"
#include "nwcodec/checkpoint.h"

namespace nwc::testing {

inline constexpr const char* kFixtureFamilies[] = {"clip",    "dinov2",  "gemma3", "gpt_oss", "llama2",    "llama3",
                                                   "mistral", "mixtral", "qwen2",  "qwen3",   "qwen3_moe", "siglip"};

inline std::filesystem::path fixtures() {
  const char* named = std::getenv("NWCODEC_FIXTURES");
  return named != nullptr ? named : NWC_SOURCE_DIR "/../shared/fixtures";
}

// Those of the source tree, all of language models.
inline constexpr const char* kCommittedFamilies[] = {"granite",    "smollm3",     "olmo2",      "olmo3",
                                                     "starcoder2", "gemma2",      "phi3",       "glm",
                                                     "glm4",       "deepseek_v2", "deepseek_v3"};

inline std::filesystem::path committed_fixture(const std::string& family) {
  return std::filesystem::path(NWC_SOURCE_DIR "/tests/data/families") / family;
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return *std::move(result);
}

// The inputs and outputs that transformers left beside a checkpoint.
class Expected {
 public:
  explicit Expected(const std::filesystem::path& directory)
      : file_(value_of(SafetensorsFile::open(directory / "expected.safetensors"))) {}
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  at::Tensor operator[](const std::string& name) const {
    const TensorView* view = file_.find(name);
    if (view == nullptr) throw std::runtime_error("no tensor " + name);
    const std::vector<int64_t> shape(view->shape.begin(), view->shape.end());
    at::Tensor t = torch::empty(shape, view->dtype == DType::kI64 ? torch::kInt64 : torch::kFloat32);
    if (t.nbytes() != view->bytes.size()) throw std::runtime_error("another dtype in " + name);
    std::memcpy(t.data_ptr(), view->bytes.data(), view->bytes.size());
    return t;
  }

 private:
  SafetensorsFile file_;
};

// Made for each block; sees the inputs and outputs of its linear layers.
using LinearWatch = std::function<void(const LinearSpec&, const at::Tensor&, const at::Tensor&)>;
using BlockWatch = std::function<LinearWatch(const BlockSpec&)>;

// Through all blocks of a language model or a tower.
template <class Model>
at::Tensor through_blocks(const Model& model, at::Tensor hidden, const BlockWatch& watch) {
  for (size_t i = 0; i < model.blocks(); ++i) {
    hidden = value_of(model.block(i))->forward(hidden, {nullptr, watch ? watch(model.spec().blocks[i]) : nullptr});
  }
  return hidden;
}

inline at::Tensor encoded(const EncoderTower& tower, const at::Tensor& input, const BlockWatch& watch) {
  return value_of(tower.output())
      ->forward(through_blocks(tower, value_of(tower.input())->forward(input), watch), input);
}

// What a checkpoint, plain or compressed, makes of the inputs, under the names of the outputs in expected.safetensors.
inline std::map<std::string, at::Tensor> outputs_of(const std::filesystem::path& checkpoint, const Expected& inputs,
                                                    const BlockWatch& watch = {}, ModelDevice device = {}) {
  const torch::NoGradGuard no_gradients;
  if (!inputs.has("pixel_values")) {
    const CausalLm model = value_of(CausalLm::open(checkpoint, {.threads = 1, .device = device}));
    const at::Tensor hidden = through_blocks(model, value_of(model.embedding())->forward(inputs["input_ids"]), watch);
    return {{"logits", value_of(model.head())->forward(hidden)}};
  }
  const EncoderModel model = value_of(EncoderModel::open(checkpoint, 1, device));
  const at::Tensor images = encoded(*model.tower("vision"), inputs["pixel_values"], watch);
  if (model.tower("text") == nullptr) return {{"last_hidden_state", images}};
  const at::Tensor texts = encoded(*model.tower("text"), inputs["input_ids"], watch);
  return {{"image_embeds", images},
          {"text_embeds", texts},
          {"logits_per_image", value_of(model.similarity()).forward(images, texts)}};
}

inline double relative_error(const at::Tensor& actual, const at::Tensor& wanted) {
  return ((actual - wanted).norm() / wanted.norm()).item<double>();
}

}  // namespace nwc::testing
