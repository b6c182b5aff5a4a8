#include "model/causal_lm.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libtorch/foreign.h"
#include "libtorch/tensors.h"
#include "nwcodec/checkpoint.h"
#include "support/toy_checkpoint.h"

namespace nwc {
namespace {

using testing::kToyConfig;
using testing::TempDir;
using testing::toy_tensors;
using testing::ToyTensor;
using testing::ToyTensors;
using testing::write_toy_checkpoint;

// The logits of ids [batch, length], part by part.
at::Tensor logits_of(const CausalLm& model, const at::Tensor& ids, KvCache* cache = nullptr) {
  const torch::NoGradGuard no_gradients;
  at::Tensor hidden = (*model.embedding())->forward(ids);
  for (size_t i = 0; i < model.blocks(); ++i) {
    hidden = (*model.block(i))->forward(hidden, {cache != nullptr ? &(*cache)[i] : nullptr, {}});
  }
  return (*model.head())->forward(hidden);
}

template <class T>
at::Tensor tensor_of(const SafetensorsFile& file, const std::string& name, torch::Dtype dtype) {
  const TensorView* view = file.find(name);
  if (view == nullptr) throw std::runtime_error("no tensor " + name);
  at::Tensor t = torch::empty(std::vector<int64_t>(view->shape.begin(), view->shape.end()), dtype);
  std::memcpy(t.data_ptr<T>(), view->bytes.data(), view->bytes.size());
  return t;
}

// Relative L2 error of a checkpoint's logits against what transformers computed.
double conformance_error(const std::filesystem::path& directory) {
  const Result<SafetensorsFile> expected = SafetensorsFile::open(directory / "expected.safetensors");
  if (!expected) throw std::runtime_error(expected.error().to_string());
  const Result<CausalLm> model = CausalLm::open(directory, {});
  if (!model) throw std::runtime_error(model.error().to_string());
  const at::Tensor logits = logits_of(*model, tensor_of<int64_t>(*expected, "input_ids", torch::kInt64));
  const at::Tensor wanted = tensor_of<float>(*expected, "logits", torch::kFloat32);
  if (logits.sizes() != wanted.sizes()) throw std::runtime_error("logits have another shape");
  return ((logits - wanted).norm() / wanted.norm()).item<double>();
}

const std::filesystem::path kCommitted = NWC_SOURCE_DIR "/tests/data/model";

TEST(ConformanceTest, CommittedLlama3) { EXPECT_LT(conformance_error(kCommitted / "llama3"), 1e-5); }

// Changes a checkpoint's text files; weights are linked.
void link_with_config(const std::filesystem::path& from, const TempDir& to, std::string config) {
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().filename() != "config.json") {
      std::filesystem::create_symlink(entry.path(), to / entry.path().filename());
    }
  }
  to.add("config.json", config);
}

TEST(ConformanceTest, OlderConfigFormGivesTheSameModel) {
  const TempDir dir;
  link_with_config(kCommitted / "llama3", dir, R"({
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-06, "tie_word_embeddings": true, "torch_dtype": "float32", "rope_theta": 500000.0,
    "rope_scaling": {"factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                     "original_max_position_embeddings": 64, "type": "llama3"}})");
  EXPECT_LT(conformance_error(dir.path()), 1e-5);
}

TEST(ConformanceTest, RopeScalingMatters) {
  const TempDir dir;
  link_with_config(kCommitted / "llama3", dir, R"({
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "max_position_embeddings": 256,
    "rms_norm_eps": 1e-06, "tie_word_embeddings": true, "rope_theta": 500000.0})");
  EXPECT_GT(conformance_error(dir.path()), 1e-3);
}

TEST(CausalLmTest, CachedPiecesEqualTheWhole) {
  const Result<CausalLm> model = CausalLm::open(kCommitted / "llama3", {.residency = Residency::kAll});
  ASSERT_TRUE(model) << model.error().to_string();
  const at::Tensor ids = (torch::arange(2 * 40) * 37 % 320).view({2, 40});
  const at::Tensor whole = logits_of(*model, ids);
  KvCache cache(model->blocks());
  std::vector<at::Tensor> pieces;
  for (const auto& [begin, count] : {std::pair{0, 7}, {7, 1}, {8, 1}, {9, 31}}) {
    pieces.push_back(logits_of(*model, ids.narrow(1, begin, count), &cache));
  }
  const at::Tensor joined = torch::cat(pieces, 1);
  EXPECT_LT(((joined - whole).norm() / whole.norm()).item<double>(), 1e-6);
}

TEST(CausalLmTest, ABatchEqualsItsRows) {
  const Result<CausalLm> model = CausalLm::open(kCommitted / "llama3", {});
  ASSERT_TRUE(model) << model.error().to_string();
  const at::Tensor ids = (torch::arange(3 * 20) * 101 % 320).view({3, 20});
  const at::Tensor together = logits_of(*model, ids);
  for (int64_t row = 0; row < 3; ++row) {
    const at::Tensor alone = logits_of(*model, ids.narrow(0, row, 1));
    EXPECT_LT((together.narrow(0, row, 1) - alone).abs().max().item<double>(), 1e-4);
  }
}

TEST(CausalLmTest, ResidentPartsAreKeptOthersAreNot) {
  const TempDir dir;
  write_toy_checkpoint(dir, toy_tensors(1));
  const Result<CausalLm> resident = CausalLm::open(dir.path(), {.residency = Residency::kAll});
  const Result<CausalLm> streaming = CausalLm::open(dir.path(), {});
  ASSERT_TRUE(resident) << resident.error().to_string();
  ASSERT_TRUE(streaming) << streaming.error().to_string();
  EXPECT_EQ(*resident->block(1), *resident->block(1));
  EXPECT_NE(*streaming->block(1), *streaming->block(1));
  EXPECT_EQ((*streaming->head()).use_count(), 1);
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  EXPECT_TRUE(torch::equal(logits_of(*resident, ids), logits_of(*streaming, ids)));
}

TEST(CausalLmTest, HookSeesEachLinearLayerOnce) {
  const TempDir dir;
  write_toy_checkpoint(dir, toy_tensors(1));
  const Result<CausalLm> model = CausalLm::open(dir.path(), {});
  ASSERT_TRUE(model) << model.error().to_string();
  std::map<std::string, std::vector<int64_t>> seen;
  std::map<std::string, const void*> inputs;
  const torch::NoGradGuard no_gradients;
  (*model->block(1))
      ->forward((*model->embedding())->forward(torch::arange(6).view({2, 3})),
                {nullptr, [&](const LinearSpec& linear, const at::Tensor& input, const at::Tensor&) {
                   EXPECT_TRUE(seen.emplace(linear.weight, input.sizes().vec()).second) << linear.weight << " twice";
                   inputs[linear.weight] = input.data_ptr();
                 }});
  const std::string prefix = "model.layers.1.";
  const std::map<std::string, std::vector<int64_t>> expected{
      {prefix + "self_attn.q_proj.weight", {2, 3, 8}}, {prefix + "self_attn.k_proj.weight", {2, 3, 8}},
      {prefix + "self_attn.v_proj.weight", {2, 3, 8}}, {prefix + "self_attn.o_proj.weight", {2, 3, 8}},
      {prefix + "mlp.gate_proj.weight", {2, 3, 8}},    {prefix + "mlp.up_proj.weight", {2, 3, 8}},
      {prefix + "mlp.down_proj.weight", {2, 3, 12}}};
  EXPECT_EQ(seen, expected);
  EXPECT_EQ(inputs[prefix + "self_attn.q_proj.weight"], inputs[prefix + "self_attn.v_proj.weight"]);
  EXPECT_NE(inputs[prefix + "self_attn.q_proj.weight"], inputs[prefix + "self_attn.o_proj.weight"]);
}

// Another source behind a model: stored weights except for one.
class Replaced : public ParameterSource {
 public:
  Replaced(std::shared_ptr<const ParameterSource> base, std::string name, at::Tensor value)
      : base_(std::move(base)), name_(std::move(name)), value_(std::move(value)) {}
  Status check(const TensorSpec& tensor) const override { return base_->check(tensor); }
  Result<at::Tensor> load(const TensorSpec& tensor) const override {
    return tensor.name == name_ ? Result<at::Tensor>(value_) : base_->load(tensor);
  }

 private:
  std::shared_ptr<const ParameterSource> base_;
  std::string name_;
  at::Tensor value_;
};

TEST(CausalLmTest, WeightsCanBeReplacedAndTrained) {
  const TempDir dir;
  write_toy_checkpoint(dir, toy_tensors(1));
  const Result<CausalLm> original = CausalLm::open(dir.path(), {});
  ASSERT_TRUE(original) << original.error().to_string();
  Result<Weights> weights = Weights::open(dir.path());
  ASSERT_TRUE(weights) << weights.error().to_string();
  const auto stored = std::make_shared<WeightsSource>(*std::move(weights), 1);

  const at::Tensor changed = torch::zeros({8, 12}).set_requires_grad(true);
  const auto source = std::make_shared<Replaced>(stored, "model.layers.0.mlp.down_proj.weight", changed);
  const Result<CausalLm> model = CausalLm::create(original->spec(), source, {});
  ASSERT_TRUE(model) << model.error().to_string();
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  EXPECT_FALSE(torch::allclose(logits_of(*model, ids), logits_of(*original, ids)));

  at::Tensor hidden = (*model->embedding())->forward(ids);
  for (size_t i = 0; i < model->blocks(); ++i) hidden = (*model->block(i))->forward(hidden, {});
  hidden.square().sum().backward();
  ASSERT_TRUE(changed.grad().defined());
  EXPECT_GT(changed.grad().norm().item<double>(), 0);
}

Error open_error(const ToyTensors& tensors, const std::string& config = kToyConfig) {
  const TempDir dir;
  write_toy_checkpoint(dir, tensors, config);
  Result<CausalLm> model = CausalLm::open(dir.path(), {});
  if (model) return Error(ErrorCode::kInternal, "no error");
  return std::move(model).error();
}

TEST(CausalLmTest, MissingTensorsAreNamed) {
  for (const std::string name : {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                                 "model.layers.1.self_attn.k_proj.weight", "model.layers.0.input_layernorm.weight"}) {
    ToyTensors tensors = toy_tensors(1);
    tensors.erase(name);
    const Error error = open_error(tensors);
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(error.tensor(), name);
    EXPECT_EQ(error.message(),
              name == "lm_head.weight" ? "is missing: without a head no tokens are predicted" : "is missing");
  }
}

TEST(CausalLmTest, WrongShapesAreNamed) {
  ToyTensors tensors = toy_tensors(1);
  tensors["model.layers.1.mlp.up_proj.weight"] = testing::toy_tensor({8, 12}, 1, 3);
  const Error error = open_error(tensors);
  EXPECT_EQ(error.code(), ErrorCode::kMismatch);
  EXPECT_EQ(error.tensor(), "model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(error.message(), "has shape [8, 12] where config.json asks for [12, 8]");
}

TEST(CausalLmTest, BiasesAreAskedFor) {
  EXPECT_EQ(open_error(toy_tensors(1), testing::toy_config("\"attention_bias\": true")).tensor(),
            "model.layers.0.self_attn.q_proj.bias");
}

TEST(CausalLmTest, ATiedModelNeedsNoHead) {
  const std::string config = testing::toy_config("\"tie_word_embeddings\": true");
  ToyTensors tensors = toy_tensors(1);
  tensors.erase("lm_head.weight");
  const TempDir dir, twin;
  write_toy_checkpoint(dir, tensors, config);
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
  write_toy_checkpoint(twin, tensors);
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  for (const bool resident : {false, true}) {
    const Result<CausalLm> tied =
        CausalLm::open(dir.path(), {.residency = resident ? Residency::kAll : Residency::kNone});
    const Result<CausalLm> untied =
        CausalLm::open(twin.path(), {.residency = resident ? Residency::kAll : Residency::kNone});
    ASSERT_TRUE(tied) << tied.error().to_string();
    ASSERT_TRUE(untied) << untied.error().to_string();
    EXPECT_TRUE(torch::equal(logits_of(*tied, ids), logits_of(*untied, ids)));
  }
}

// The toy model under other names.
ToyTensors renamed(const std::function<std::string(std::string)>& rename) {
  ToyTensors tensors;
  for (const auto& [name, tensor] : toy_tensors(1)) tensors[rename(name)] = tensor;
  return tensors;
}

TEST(CausalLmTest, OtherNamesGiveTheSameModel) {
  const TempDir plain;
  write_toy_checkpoint(plain, toy_tensors(1));
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  const at::Tensor wanted = logits_of(*CausalLm::open(plain.path(), {}), ids);
  const auto behind = [](const std::string& prefix) {
    return [prefix](const std::string& name) { return name.starts_with("model.") ? prefix + name.substr(6) : name; };
  };
  for (const auto& rename : std::vector<std::function<std::string(std::string)>>{
           behind(""), behind("transformer."), behind("model.language_model."), behind("language_model.model."),
           [](const std::string& name) { return "model." + name; },
           [](const std::string& name) { return "base_model.model." + name; },
           [](const std::string& name) { return "module._orig_mod." + name; },
           [](std::string name) {
             const size_t at = name.find("mlp.");
             return at == std::string::npos ? name : name.insert(at, "_fsdp_wrapped_module.");
           }}) {
    const TempDir dir;
    write_toy_checkpoint(dir, renamed(rename));
    const Result<CausalLm> model = CausalLm::open(dir.path(), {});
    ASSERT_TRUE(model) << model.error().to_string();
    EXPECT_TRUE(torch::equal(logits_of(*model, ids), wanted)) << rename("model.layers.0.mlp.up_proj.weight");
  }
}

// Joins the rows of two tensors, as fused layers have them.
ToyTensor joined(const ToyTensor& first, const ToyTensor& second) {
  ToyTensor both = first;
  both.shape[0] += second.shape[0];
  both.values.insert(both.values.end(), second.values.begin(), second.values.end());
  return both;
}

TEST(CausalLmTest, FusedGatesAndQueriesGiveTheSameModel) {
  ToyTensors tensors = toy_tensors(1);
  const TempDir plain, fused;
  write_toy_checkpoint(plain, tensors);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string attention = layer + "self_attn.", mlp = layer + "mlp.";
    tensors[attention + "qkv_proj.weight"] =
        joined(joined(tensors[attention + "q_proj.weight"], tensors[attention + "k_proj.weight"]),
               tensors[attention + "v_proj.weight"]);
    for (const char* part : {"q_proj.weight", "k_proj.weight", "v_proj.weight"}) tensors.erase(attention + part);
    tensors[mlp + "gate_up_proj.weight"] = joined(tensors[mlp + "gate_proj.weight"], tensors[mlp + "up_proj.weight"]);
    tensors.erase(mlp + "gate_proj.weight");
    tensors.erase(mlp + "up_proj.weight");
  }
  write_toy_checkpoint(fused, tensors);
  const Result<CausalLm> model = CausalLm::open(fused.path(), {});
  ASSERT_TRUE(model) << model.error().to_string();
  const at::Tensor ids = torch::arange(16).unsqueeze(0);
  EXPECT_TRUE(torch::allclose(logits_of(*model, ids), logits_of(*CausalLm::open(plain.path(), {}), ids)));
}

// Experts of Mixtral and Qwen3-MoE, one by one as they are published, and in two tensors as transformers 5 has them.
TEST(CausalLmTest, FusedExpertsGiveTheSameModel) {
  struct Family {
    std::string type, keys, folder, gate, up, down;
  };
  for (const Family& family : {Family{"mixtral", "\"num_local_experts\": 3", "block_sparse_moe.", "w1", "w3", "w2"},
                               Family{"qwen3_moe", "\"num_experts\": 3, \"moe_intermediate_size\": 12, \"head_dim\": 4",
                                      "mlp.", "gate_proj", "up_proj", "down_proj"}}) {
    std::string config = testing::toy_config(family.keys + ", \"num_experts_per_tok\": 2");
    config.replace(config.find("\"llama\""), 7, "\"" + family.type + "\"");
    ToyTensors apart, together;
    for (const auto& [name, tensor] : toy_tensors(1)) {
      if (name.find(".mlp.") == std::string::npos) apart[name] = together[name] = tensor;
    }
    uint32_t seed = 100;
    for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
      if (family.type == "qwen3_moe") {
        for (const char* norm : {"self_attn.q_norm.weight", "self_attn.k_norm.weight"})
          apart[layer + norm] = together[layer + norm] = testing::toy_tensor({4}, 2, ++seed);
      }
      apart[layer + family.folder + "gate.weight"] = together[layer + "mlp.gate.weight"] =
          testing::toy_tensor({3, 8}, 1, ++seed);
      ToyTensor& gate_up = together[layer + "mlp.experts.gate_up_proj"];
      ToyTensor& down = together[layer + "mlp.experts.down_proj"];
      gate_up.shape = {3, 24, 8};
      down.shape = {3, 8, 12};
      for (int expert = 0; expert < 3; ++expert) {
        const std::string folder = layer + family.folder + "experts." + std::to_string(expert) + ".";
        const auto add = [&](const std::string& name, std::vector<uint64_t> shape, ToyTensor& fused) {
          const ToyTensor& tensor = apart[folder + name + ".weight"] = testing::toy_tensor(std::move(shape), 1, ++seed);
          fused.values.insert(fused.values.end(), tensor.values.begin(), tensor.values.end());
        };
        add(family.gate, {12, 8}, gate_up);
        add(family.up, {12, 8}, gate_up);
        add(family.down, {8, 12}, down);
      }
    }
    const TempDir published, fused;
    write_toy_checkpoint(published, apart, config);
    write_toy_checkpoint(fused, together, config);
    const Result<CausalLm> wanted = CausalLm::open(published.path(), {}), model = CausalLm::open(fused.path(), {});
    ASSERT_TRUE(wanted) << wanted.error().to_string();
    ASSERT_TRUE(model) << model.error().to_string();
    const at::Tensor ids = torch::arange(16).unsqueeze(0);
    EXPECT_TRUE(torch::allclose(logits_of(*model, ids), logits_of(*wanted, ids), 1e-4, 1e-5)) << family.type;
  }
}

TEST(CausalLmTest, NoCheckpointNoModel) {
  const TempDir dir;
  EXPECT_EQ(CausalLm::open(dir.path(), {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(CausalLm::open(dir.path(), {}).error().file(), (dir / "config.json").string());
}

TEST(ForeignTest, ExceptionsBecomeErrorsOfOneLine) {
  const Status torch_error = catch_foreign("adding", []() -> Status {
    torch::ones({2}) + torch::ones({3});
    return {};
  });
  ASSERT_FALSE(torch_error);
  EXPECT_EQ(torch_error.error().code(), ErrorCode::kInternal);
  EXPECT_EQ(torch_error.error().message().find('\n'), std::string::npos);
  EXPECT_EQ(torch_error.error().message().substr(0, 15), "adding failed: ");

  const Status memory_error = catch_foreign("growing", []() -> Status { throw std::bad_alloc(); });
  EXPECT_EQ(memory_error.error().message(), "growing failed: out of memory");
  EXPECT_TRUE(catch_foreign("nothing", [] { return Status(); }));
}

}  // namespace
}  // namespace nwc
