#include "model/config/latent_config.h"

#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"
#include "model/config/rope_config.h"

namespace nwc {
namespace {

constexpr double kEps = 1e-6;  // of the norms of latents, whatever rms_norm_eps says

}  // namespace

Result<LatentSize> read_latent_size(const ConfigObject& config) {
  LatentSize size;
  if (config.has("q_lora_rank")) {
    NWC_ASSIGN_OR_RETURN(size.q_rank, read_width(config, "q_lora_rank"));
  }
  NWC_ASSIGN_OR_RETURN(size.kv_rank, read_width(config, "kv_lora_rank"));
  NWC_ASSIGN_OR_RETURN(size.fixed_dim, read_width(config, "qk_nope_head_dim"));
  NWC_ASSIGN_OR_RETURN(size.rotary_dim, read_width(config, "qk_rope_head_dim"));
  NWC_ASSIGN_OR_RETURN(size.value_dim, read_width(config, "v_head_dim"));
  if (size.rotary_dim % 2 != 0) {
    return config.error(ErrorCode::kCorrupt, "qk_rope_head_dim",
                        fmt::format("is {}; RoPE needs an even one", size.rotary_dim));
  }
  return size;
}

Status make_latent(const ConfigObject& config, const LatentSize& size, const std::string& prefix, bool bias,
                   AttentionSpec* attention) {
  const int64_t heads = attention->heads, hidden = attention->q.in_features;
  if (attention->kv_heads != heads) {
    return config.error(
        ErrorCode::kUnsupported, "num_key_value_heads",
        fmt::format("is {}; latent attention has as many as there are heads, {}", attention->kv_heads, heads));
  }
  const auto linear = [&](const char* name, int64_t in, int64_t out, bool biased) {
    return LinearSpec{prefix + name + ".weight", biased ? prefix + name + ".bias" : std::string(), in, out};
  };
  const auto norm = [&](const char* name, int64_t features) {
    return NormSpec{prefix + name + ".weight", features, kEps};
  };
  attention->head_dim = size.fixed_dim + size.rotary_dim;
  LatentSpec latent;
  latent.rotary_dim = size.rotary_dim;
  latent.value_dim = size.value_dim;
  latent.down = linear("kv_a_proj_with_mqa", hidden, size.kv_rank + size.rotary_dim, bias);
  latent.norm = norm("kv_a_layernorm", size.kv_rank);
  latent.up = linear("kv_b_proj", size.kv_rank, heads * (size.fixed_dim + size.value_dim), false);
  if (size.q_rank) {
    latent.q_down = linear("q_a_proj", hidden, *size.q_rank, bias);
    latent.q_norm = norm("q_a_layernorm", *size.q_rank);
  }
  attention->q =
      linear(size.q_rank ? "q_b_proj" : "q_proj", size.q_rank.value_or(hidden), heads * attention->head_dim, false);
  attention->k = attention->v = {};
  attention->o.in_features = heads * size.value_dim;
  attention->scale = 1 / std::sqrt(static_cast<double>(attention->head_dim));
  if (attention->rope && attention->rope->mscale_all_dim != 0) {
    const double magnitude = yarn_magnitude(attention->rope->factor, attention->rope->mscale_all_dim);
    attention->scale *= magnitude * magnitude;
  }
  attention->latent = std::move(latent);
  return {};
}

}  // namespace nwc
