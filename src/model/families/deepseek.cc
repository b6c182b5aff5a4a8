// DeepSeek V2 and V3: latent attention; dense blocks first, then mixtures with shared experts, whose routers choose
// among groups. V2 scores by softmax; V3 by sigmoid, with a bias that counts for the choice only.
#include <fmt/format.h>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/latent_config.h"
#include "model/config/llama_like.h"
#include "model/config/mixture_config.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kV2Keys[] = {
    {"vocab_size", 102400},
    {"hidden_size", 4096},
    {"intermediate_size", 11008},
    {"num_hidden_layers", 32},
    {"num_attention_heads", 32},
    {"num_key_value_heads", SameAs("num_attention_heads"), SameAs("num_attention_heads")},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 2048},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"kv_lora_rank", 512},
    {"q_lora_rank", 1536, Unset{}},
    {"qk_nope_head_dim", 128},
    {"qk_rope_head_dim", 64},
    {"v_head_dim", 128},
    {"head_dim", SameAs("qk_rope_head_dim"), SameAs("qk_rope_head_dim")},
    {"attention_bias", false},
    {"mlp_bias", false},
    {"first_k_dense_replace", 0},
    {"n_routed_experts", 64},
    {"n_shared_experts", 2},
    {"moe_intermediate_size", 1407},
    {"num_experts_per_tok", Unset{}, Unset{}},
    {"norm_topk_prob", false, Unset{}},
    {"routed_scaling_factor", 1.0},
    {"topk_method", "greedy"},
    {"n_group", Unset{}, Unset{}},
    {"topk_group", Unset{}, Unset{}},
};
constexpr OtherName kV2OtherNames[] = {{"num_experts", "n_routed_experts"}};
constexpr ConfigKey kV3Keys[] = {
    {"vocab_size", 129280},
    {"hidden_size", 7168},
    {"intermediate_size", 18432},
    {"num_hidden_layers", 61},
    {"num_attention_heads", 128},
    {"num_key_value_heads", 128, SameAs("num_attention_heads")},
    {"hidden_act", "silu"},
    {"max_position_embeddings", 4096},
    {"rms_norm_eps", 1e-6},
    {"tie_word_embeddings", false},
    {"rope_theta", 1e4, Unset{}},
    {"rope_parameters", Unset{}, Unset{}},
    {"rope_scaling", Unset{}, Unset{}},
    {"kv_lora_rank", 512},
    {"q_lora_rank", 1536, Unset{}},
    {"qk_nope_head_dim", 128},
    {"qk_rope_head_dim", 64},
    {"v_head_dim", 128},
    {"head_dim", SameAs("qk_rope_head_dim"), SameAs("qk_rope_head_dim")},
    {"attention_bias", false},
    {"rope_interleave", true, false},
    {"first_k_dense_replace", 3},
    {"n_routed_experts", 256},
    {"n_shared_experts", 1},
    {"moe_intermediate_size", 2048},
    {"num_experts_per_tok", 8},
    {"norm_topk_prob", true, false},
    {"routed_scaling_factor", 2.5},
    {"n_group", 8},
    {"topk_group", 4},
};
constexpr OtherName kV3OtherNames[] = {{"num_local_experts", "n_routed_experts"}};
constexpr FamilyKeys kV2Table{kV2Keys, kV2OtherNames}, kV3Table{kV3Keys, kV3OtherNames};

constexpr int64_t kMaxExperts = 1 << 16;
constexpr double kMaxScale = 1e6;

Status expect(const ConfigObject& config, std::string_view key, std::string_view value) {
  NWC_ASSIGN_OR_RETURN(const std::string given, config.string(key, value));
  if (given == value) return {};
  return config.error(ErrorCode::kUnsupported, key, fmt::format("is '{}'; it must be '{}'", given, value));
}

// Groups of `experts` experts, of which each token may use some.
Status read_groups(const ConfigObject& config, MixtureSpec* mixture) {
  const auto experts = static_cast<int64_t>(mixture->experts.size());
  RouterRule& rule = mixture->rule;
  NWC_ASSIGN_OR_RETURN(rule.groups, config.integer("n_group", 1, experts));
  NWC_ASSIGN_OR_RETURN(rule.chosen_groups, config.integer("topk_group", 1, rule.groups));
  if (experts % rule.groups != 0) {
    return config.error(ErrorCode::kCorrupt, "n_group",
                        fmt::format("is {}, which does not divide the {} experts", rule.groups, experts));
  }
  const int64_t size = experts / rule.groups;
  if (rule.group_score == RouterRule::GroupScore::kSumOfTwoLargest && size < 2) {
    return config.error(ErrorCode::kCorrupt, "n_group", "leaves one expert a group, where two are scored");
  }
  if (mixture->experts_per_token > size * rule.chosen_groups) {
    return config.error(ErrorCode::kCorrupt, "num_experts_per_tok",
                        fmt::format("is {}, more than the {} experts of topk_group groups", mixture->experts_per_token,
                                    size * rule.chosen_groups));
  }
  return {};
}

// The mixture that takes the place of `dense` in a block, up to the router's rule.
Result<MixtureSpec> read_mixture(const ConfigObject& config, const std::string& prefix, const GatedMlpSpec& dense) {
  NWC_ASSIGN_OR_RETURN(const MixtureSize size, read_mixture_size(config, "n_routed_experts"));
  NWC_ASSIGN_OR_RETURN(const int64_t width, read_width(config, "moe_intermediate_size"));
  NWC_ASSIGN_OR_RETURN(const int64_t shared, config.integer("n_shared_experts", 1, kMaxExperts));
  MixtureSpec mixture = describe_mixture(size, prefix, {"gate", "gate_proj", "up_proj", "down_proj"}, dense, width);
  const auto linear = [&](const char* name, int64_t in, int64_t out) {
    return LinearSpec{fmt::format("{}.shared_experts.{}.weight", prefix, name), "", in, out};
  };
  const int64_t hidden = dense.gate.in_features;
  mixture.shared = GatedMlpSpec{linear("gate_proj", hidden, shared * width), linear("up_proj", hidden, shared * width),
                                linear("down_proj", shared * width, hidden), dense.rule};
  NWC_ASSIGN_OR_RETURN(mixture.rule.scale, config.number("routed_scaling_factor", 0, kMaxScale));
  return mixture;
}

// `scoring` is the only value of scoring_func; `finish` reads the rest of the router's rule.
template <class Finish>
Result<ModelSpec> describe(const ConfigObject& config, std::string_view scoring, LlamaLike family, Finish&& finish) {
  NWC_RETURN_IF_ERROR(expect(config, "scoring_func", scoring));
  NWC_ASSIGN_OR_RETURN(const int64_t every, config.integer("moe_layer_freq", 1, kMaxBlocks, 1));
  if (every != 1) return config.error(ErrorCode::kUnsupported, "moe_layer_freq", "must be 1");
  NWC_ASSIGN_OR_RETURN(const LatentSize size, read_latent_size(config));
  NWC_ASSIGN_OR_RETURN(const bool bias, config.boolean("attention_bias", false));
  NWC_ASSIGN_OR_RETURN(const int64_t first, config.integer("first_k_dense_replace", 0, kMaxBlocks));
  family.o_bias = bias;
  NWC_ASSIGN_OR_RETURN(ModelSpec model, describe_llama_like(config, family));
  for (size_t i = 0; i < model.blocks.size(); ++i) {
    BlockSpec& block = model.blocks[i];
    const std::string prefix = fmt::format("model.layers.{}.", i);
    NWC_RETURN_IF_ERROR(make_latent(config, size, prefix + "self_attn.", bias, &block.attention));
    if (static_cast<int64_t>(i) < first) continue;
    NWC_ASSIGN_OR_RETURN(MixtureSpec mixture, read_mixture(config, prefix + "mlp", std::get<GatedMlpSpec>(block.mlp)));
    NWC_RETURN_IF_ERROR(finish(&mixture));
    block.mlp = std::move(mixture);
  }
  return model;
}

Result<ModelSpec> describe_v2(const ConfigObject& config) {
  // transformers ignores norm_topk_prob here, and the authors' code scales only where it is false.
  NWC_RETURN_IF_ERROR(refuse_if_set(config, "norm_topk_prob"));
  LlamaLike family;
  family.rope.interleaved = true;
  NWC_ASSIGN_OR_RETURN(family.mlp_bias, config.boolean("mlp_bias", false));
  if (family.mlp_bias) return config.error(ErrorCode::kUnsupported, "mlp_bias", "must be false");
  return describe(config, "softmax", family, [&](MixtureSpec* mixture) -> Status {
    mixture->renormalise = false;
    NWC_ASSIGN_OR_RETURN(const std::string method, config.string("topk_method", "greedy"));
    if (method == "greedy") return {};
    NWC_RETURN_IF_ERROR(expect(config, "topk_method", "group_limited_greedy"));
    return read_groups(config, mixture);
  });
}

Result<ModelSpec> describe_v3(const ConfigObject& config) {
  NWC_RETURN_IF_ERROR(expect(config, "topk_method", "noaux_tc"));
  LlamaLike family;
  NWC_ASSIGN_OR_RETURN(family.rope.interleaved, config.boolean("rope_interleave", true));
  return describe(config, "sigmoid", family, [&](MixtureSpec* mixture) -> Status {
    NWC_ASSIGN_OR_RETURN(mixture->renormalise, config.boolean("norm_topk_prob", true));
    const std::string& router = mixture->router.weight;
    mixture->rule.scores = RouterRule::Scores::kSigmoid;
    mixture->rule.choice_bias = router.substr(0, router.rfind('.')) + ".e_score_correction_bias";
    mixture->rule.group_score = RouterRule::GroupScore::kSumOfTwoLargest;
    return read_groups(config, mixture);
  });
}

}  // namespace

const Family kDeepseekV2{"deepseek_v2", describe_v2, nullptr, &kV2Table};
const Family kDeepseekV3{"deepseek_v3", describe_v3, nullptr, &kV3Table};

}  // namespace nwc
