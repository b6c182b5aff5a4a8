// Causal grouped-query self-attention. Internal to src/model: it includes LibTorch.
//
// Functions throw what LibTorch throws. Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "model/kv_cache.h"
#include "model/layers.h"
#include "model/rope.h"

namespace nwc {

// softmax(scale * q k^T) v, float32. q is [batch, queries, heads, head_dim]; k and v are [batch, keys, kv_heads,
// head_dim] with keys >= queries and any strides: the last query is at the last key's position. A query sees the keys
// up to its own position, of these only the last `window` if there is one. Returns [batch, queries, heads * head_dim].
// Scores are computed for a few queries of one key head at a time, and only for keys that some of them see.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                            std::optional<int64_t> window);

struct Attention {
  AttentionSpec spec;
  Linear q, k, v, o;
  std::optional<RmsNorm> q_norm, k_norm;
  std::shared_ptr<RopeTables> rope;

  static Result<Attention> load(const AttentionSpec& spec, const ParameterSource& source,
                                std::shared_ptr<RopeTables> rope);
  // x [batch, length, hidden]; with a cache, x continues what the cache holds.
  at::Tensor forward(const at::Tensor& x, LayerCache* cache, const InputHook& hook) const;
};

}  // namespace nwc
