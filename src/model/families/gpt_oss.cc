// GPT-OSS: attention sinks, a sliding window in every other block, and a mixture whose experts share fused tensors that
// are stored [experts, in, out], or in MXFP4 (parameters.h), with biases.
#include <fmt/format.h>

#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr int64_t kWindowPeriod = 2;
constexpr int64_t kDefaultWindow = 128;
constexpr double kDefaultLimit = 7;
constexpr double kMaxLimit = 1e6;

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
  NWC_ASSIGN_OR_RETURN(family.window, read_periodic_windows(config, kWindowPeriod, kDefaultWindow));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, "num_local_experts"));
  NWC_ASSIGN_OR_RETURN(const double limit, config.number("swiglu_limit", 0, kMaxLimit, kDefaultLimit));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    block.attention.sinks = fmt::format("model.layers.{}.self_attn.sinks", i);
    block.mlp = describe_experts(size, fmt::format("model.layers.{}.mlp.", i), model.hidden_size,
                                 std::get<GatedMlpSpec>(block.mlp).gate.out_features, limit);
  }
  return model;
}

}  // namespace

const Family kGptOss{"gpt_oss", describe};

}  // namespace nwc
