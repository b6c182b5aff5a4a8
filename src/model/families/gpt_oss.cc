// GPT-OSS: attention sinks, a sliding window in every other block, and a mixture whose experts share fused tensors that
// are stored [experts, in, out], or in MXFP4 (parameters.h), with biases.
#include <fmt/format.h>

#include "model/config/config_keys.h"
#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr JsonText kDefaultRope(
    R"({"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
        "original_max_position_embeddings": 4096})");
constexpr ConfigKey kKeys[] = {
    {"vocab_size", 201088},
    {"hidden_size", 2880},
    {"intermediate_size", 2880},
    {"num_hidden_layers", 36},
    {"num_attention_heads", 64},
    {"num_key_value_heads", 8},
    {"head_dim", 64},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 131072},
    {"rms_norm_eps", 1e-5},
    {"tie_word_embeddings", false},
    {"rope_theta", 150000.0, Unset{}},
    {"rope_parameters", kDefaultRope, kDefaultRope},
    {"rope_scaling", Unset{}, Unset{}},
    {"attention_bias", true},
    {"sliding_window", 128, Unset{}},
    {"layer_types", Unset{}, Unset{}},
    {"num_local_experts", 128},
    {"num_experts_per_tok", 4},
    {"swiglu_alpha", 1.702},
    {"swiglu_limit", 7.0},
};
constexpr OtherName kOtherNames[] = {{"num_experts", "num_local_experts"}};
constexpr FamilyKeys kTable{kKeys, kOtherNames};

constexpr int64_t kWindowPeriod = 2;
constexpr double kMaxLimit = 1e6;
constexpr double kAlpha = 1.702;  // of the only sigmoid that we compute, Activation::kQuickGelu

Status check_alpha(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const double alpha, config.number("swiglu_alpha", 0, kMaxLimit, kAlpha));
  if (alpha == kAlpha) return {};
  return config.error(ErrorCode::kUnsupported, "swiglu_alpha", fmt::format("is {}; known is {}", alpha, kAlpha));
}

MixtureSpec describe_experts(const MixtureSize& size, const std::string& prefix, int64_t hidden, int64_t width,
                             double limit) {
  MixtureSpec mixture;
  mixture.router = {prefix + "router.weight", prefix + "router.bias", hidden, size.experts};
  mixture.experts_per_token = size.experts_per_token;
  for (int64_t i = 0; i < size.experts; ++i) {
    const auto linear = [&](const char* name, int64_t in, int64_t out) {
      return LinearSpec{prefix + "experts." + name, prefix + "experts." + name + "_bias", in, out,
                        FusedSlice{i, size.experts, /*transposed=*/true}};
    };
    mixture.experts.push_back(FusedGateMlpSpec{linear("gate_up_proj", hidden, 2 * width),
                                               linear("down_proj", width, hidden),
                                               /*interleaved=*/true,
                                               {Activation::kQuickGelu, limit, /*value_offset=*/1}});
  }
  return mixture;
}

Result<ModelSpec> describe(const ConfigObject& config) {
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.qkv_bias, config.boolean("attention_bias", true));
  family.o_bias = family.qkv_bias;
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, "num_local_experts"));
  NWC_ASSIGN_OR_RETURN(const double limit, config.number("swiglu_limit", 0, kMaxLimit));
  NWC_RETURN_IF_ERROR(check_alpha(config));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    block.attention.sinks = fmt::format("model.layers.{}.self_attn.sinks", i);
    block.mlp = describe_experts(size, fmt::format("model.layers.{}.mlp.", i), model.hidden_size,
                                 std::get<GatedMlpSpec>(block.mlp).gate.out_features, limit);
  }
  return model;
}

}  // namespace

const Family kGptOss{"gpt_oss", describe, nullptr, &kTable};

}  // namespace nwc
