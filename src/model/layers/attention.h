// Grouped-query self-attention. Internal to src/model: it includes LibTorch.
//
// Functions throw what LibTorch throws. Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "model/layers/kv_cache.h"
#include "model/layers/layers.h"
#include "model/layers/rope.h"
#include "model/layers/sequence_layout.h"

namespace nwc {

// Which keys a query sees and how much.
struct Visibility {
  double scale = 1;                    // of the scores
  bool causal = true;                  // keys up to the query's own position only
  std::optional<int64_t> window = {};  // causal only: of these the last `window`
  at::Tensor sinks = {};               // [heads], or undefined: one more score per head in the softmax, without a value
  std::optional<double> softcap = {};  // scores become softcap * tanh(score / softcap)
};

// softmax(scale * q k^T) v, float32. q is [batch, queries, heads, head_dim]; k is [batch, keys, kv_heads, head_dim] and
// v the same with a head_dim of its own, with any strides; if causal, keys >= queries and the last query is at the last
// key's position. Returns [batch, queries, heads * head_dim of v]. On the CPU, scores are computed for a few queries of
// one key head at a time, on a GPU for more queries of all heads and sequences together; in both cases only for keys
// that some of the queries see.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Visibility& visibility);

// What attend() does on a GPU, on any device.
at::Tensor attend_together(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Visibility& visibility);

// See LatentSpec.
struct LatentLayers {
  Linear down, up;
  Norm norm;
  std::optional<Linear> q_down;
  std::optional<Norm> q_norm;
};

struct Attention {
  AttentionSpec spec;
  Linear q, k, v, o;  // those that the spec has
  std::optional<Linear> qkv;
  std::optional<LatentLayers> latent;
  std::optional<Norm> q_norm, k_norm;
  at::Tensor sinks;  // undefined for none
  std::shared_ptr<RopeTables> rope;

  // `rope` may be nullptr if the spec has none.
  static Result<Attention> load(const AttentionSpec& spec, const ParameterSource& source,
                                std::shared_ptr<RopeTables> rope);
  // x [batch, length, hidden]; with a cache, x continues what the cache holds; with a layout, x is [1, rows, hidden].
  // Not both.
  at::Tensor forward(const at::Tensor& x, LayerCache* cache, const SequenceLayout* layout,
                     const LinearHook& hook) const;

 private:
  // Of x at `position`, spread out by the layout, turned: [batch, length, heads, head_dim].
  struct Heads {
    at::Tensor queries, keys, values;
  };
  Heads heads_of(const at::Tensor& x, int64_t position, const SequenceLayout* layout, const LinearHook& hook) const;
  Heads latent_heads_of(const at::Tensor& x, int64_t position, const SequenceLayout* layout,
                        const LinearHook& hook) const;
};

}  // namespace nwc
