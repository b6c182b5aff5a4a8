#include "model/layers/attention.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

namespace nwc {
namespace {

// Scores held at a time, in elements: 4 MiB, so that the softmax finds them in the second-level cache.
constexpr int64_t kScores = int64_t{1} << 20;
constexpr int64_t kMinQueries = 16;
constexpr int64_t kMaxQueries = 256;
// On a GPU: 1 GiB, and queries enough for large products but not for all the keys that none of them sees.
constexpr int64_t kDeviceScores = int64_t{1} << 28;
constexpr int64_t kMaxDeviceQueries = 512;

constexpr float kHidden = -std::numeric_limits<float>::infinity();

// Which keys are invisible: bool [queries, keys], query 0 at position `first_query`, key 0 at `first_key`.
at::Tensor invisible(int64_t first_query, int64_t queries, int64_t first_key, int64_t keys,
                     std::optional<int64_t> window, const at::Device& device) {
  const at::TensorOptions options = at::TensorOptions().dtype(torch::kInt64).device(device);
  const at::Tensor query = torch::arange(first_query, first_query + queries, options).unsqueeze(1);
  const at::Tensor key = torch::arange(first_key, first_key + keys, options).unsqueeze(0);
  const at::Tensor hidden = key > query;
  return window ? hidden.logical_or(key <= query - *window) : hidden;
}

// Which scores of some queries are of invisible keys, where only the newest and, with a window, the oldest `queries`
// keys are invisible to any of them. Query 0 is at position `first_query`, key 0 at `first_key`.
class HiddenEdges {
 public:
  HiddenEdges(int64_t first_query, int64_t queries, int64_t first_key, int64_t keys, std::optional<int64_t> window,
              const at::Device& device) {
    if (queries == 1) return;
    const int64_t edge = std::min(queries, keys);
    newest_ = invisible(first_query, queries, first_key + keys - edge, edge, window, device).unsqueeze(1);
    if (window) oldest_ = invisible(first_query, queries, first_key, edge, window, device).unsqueeze(1);
  }
  // Sets those of scores [queries, group, keys] to minus infinity.
  void hide_in(const at::Tensor& scores) const {
    if (newest_.defined()) {
      scores.narrow(2, scores.size(2) - newest_.size(2), newest_.size(2)).masked_fill_(newest_, kHidden);
    }
    if (oldest_.defined()) scores.narrow(2, 0, oldest_.size(2)).masked_fill_(oldest_, kHidden);
  }

 private:
  at::Tensor newest_, oldest_;  // undefined, or bool [queries, 1, keys]
};

// What a sink, a further score without a value, leaves to the keys: e^scores / (e^scores + e^sink), summed over the
// last dimension of scores [..., keys]; sinks has the other dimensions, or fewer. Returns [..., 1].
at::Tensor kept_share(const at::Tensor& scores, const at::Tensor& sinks) {
  return torch::sigmoid(torch::logsumexp(scores, -1) - sinks).unsqueeze(-1);
}

at::Tensor capped(const at::Tensor& scores, const std::optional<double>& softcap) {
  return softcap ? torch::tanh(scores / *softcap) * *softcap : scores;
}

}  // namespace

at::Tensor attend_together(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           const Visibility& visibility) {
  const std::optional<int64_t> window = visibility.causal ? visibility.window : std::nullopt;
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), head_dim = q.size(3);
  const int64_t keys = k.size(1), kv_heads = k.size(2), group = heads / kv_heads, value_dim = v.size(3);
  const int64_t before = keys - queries;
  const int64_t step = std::clamp(kDeviceScores / (batch * heads * keys), kMinQueries, kMaxDeviceQueries);
  // [batch, kv_heads, group, queries, head_dim] and [batch, kv_heads, keys, head_dim]
  const at::Tensor rows =
      (q * visibility.scale).reshape({batch, queries, kv_heads, group, head_dim}).permute({0, 2, 3, 1, 4}).contiguous();
  const at::Tensor columns = k.transpose(1, 2).contiguous(), values = v.transpose(1, 2).contiguous();
  std::vector<at::Tensor> pieces;  // [batch, kv_heads, group, count, value_dim] each
  for (int64_t begin = 0; begin < queries; begin += step) {
    const int64_t count = std::min(step, queries - begin);
    const int64_t first_query = before + begin;
    const int64_t first_key = window ? std::max<int64_t>(0, first_query - *window + 1) : 0;
    const int64_t seen = visibility.causal ? first_query + count - first_key : keys;
    const at::Tensor some = rows.narrow(3, begin, count).reshape({batch, kv_heads, group * count, head_dim});
    const at::Tensor products = torch::matmul(some, columns.narrow(2, first_key, seen).transpose(2, 3));
    const at::Tensor scores = capped(products, visibility.softcap).view({batch, kv_heads, group, count, seen});
    if (visibility.causal) {
      // Through a detached view, since autograd would copy all scores for an assignment to some of them. Gradients stay
      // right: the share of an invisible key is 0, and so is its score's gradient.
      const at::Tensor plain = scores.detach().view({batch * heads, count, seen}).transpose(0, 1);
      HiddenEdges(first_query, count, first_key, seen, window, scores.device()).hide_in(plain);
    }
    const at::Tensor shares = torch::softmax(scores, -1).view({batch, kv_heads, group * count, seen});
    at::Tensor mixed =
        torch::matmul(shares, values.narrow(2, first_key, seen)).view({batch, kv_heads, group, count, value_dim});
    if (visibility.sinks.defined()) mixed = mixed * kept_share(scores, visibility.sinks.view({kv_heads, group, 1}));
    pieces.push_back(std::move(mixed));
  }
  return torch::cat(pieces, 3).permute({0, 3, 1, 2, 4}).reshape({batch, queries, heads * value_dim});
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Visibility& visibility) {
  const std::optional<int64_t> window = visibility.causal ? visibility.window : std::nullopt;
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), head_dim = q.size(3);
  const int64_t keys = k.size(1), kv_heads = k.size(2), group = heads / kv_heads, value_dim = v.size(3);
  const int64_t before = keys - queries;  // keys older than the first query
  const int64_t step = std::clamp(kScores / (group * keys), kMinQueries, kMaxQueries);
  if (q.numel() > 0 && !q.is_cpu()) return attend_together(q, k, v, visibility);
  const at::Tensor scaled = q * visibility.scale;
  if (q.numel() == 0) return torch::empty({batch, queries, heads * value_dim}, q.options());
  // Pieces are put together at the end instead of copied into one tensor as they come, which would make the backward
  // pass go over all of it for each.
  std::vector<std::vector<at::Tensor>> pieces(
      static_cast<size_t>(batch));  // of a sequence: [queries, kv_heads, group, value_dim] each

  for (int64_t begin = 0; begin < queries; begin += step) {
    const int64_t count = std::min(step, queries - begin);
    const int64_t first_query = before + begin;
    const int64_t first_key = window ? std::max<int64_t>(0, first_query - *window + 1) : 0;
    const int64_t seen = visibility.causal ? first_query + count - first_key : keys;
    const std::optional<HiddenEdges> hidden =
        visibility.causal ? std::optional(HiddenEdges(first_query, count, first_key, seen, window, q.device()))
                          : std::nullopt;
    for (int64_t b = 0; b < batch; ++b) {
      const at::Tensor some_q = scaled.select(0, b).narrow(0, begin, count);
      const at::Tensor some_k = k.select(0, b).narrow(0, first_key, seen);
      const at::Tensor some_v = v.select(0, b).narrow(0, first_key, seen);
      std::vector<at::Tensor> of_heads;
      for (int64_t h = 0; h < kv_heads; ++h) {
        const at::Tensor rows = some_q.narrow(1, h * group, group).reshape({count * group, head_dim});
        const at::Tensor products = torch::mm(rows, some_k.select(1, h).t());
        const at::Tensor scores = capped(products, visibility.softcap).view({count, group, seen});
        if (hidden) hidden->hide_in(scores);
        const at::Tensor shares = torch::softmax(scores, -1).view({count * group, seen});
        at::Tensor mixed = torch::mm(shares, some_v.select(1, h)).view({count, group, value_dim});
        if (visibility.sinks.defined())
          mixed = mixed * kept_share(scores, visibility.sinks.narrow(0, h * group, group));
        of_heads.push_back(mixed.view({count, group, value_dim}));
      }
      pieces[static_cast<size_t>(b)].push_back(torch::stack(of_heads, 1));
    }
  }
  std::vector<at::Tensor> sequences;
  for (const std::vector<at::Tensor>& of_sequence : pieces) sequences.push_back(torch::cat(of_sequence, 0));
  return torch::stack(sequences, 0).view({batch, queries, heads * value_dim});
}

namespace {

at::Tensor spread(const at::Tensor& x, const SequenceLayout* layout) {
  return layout != nullptr ? layout->spread(x) : x;
}

Result<LatentLayers> load_latent(const LatentSpec& spec, const ParameterSource& source) {
  LatentLayers layers;
  NWC_ASSIGN_OR_RETURN(layers.down, Linear::load(spec.down, source));
  NWC_ASSIGN_OR_RETURN(layers.up, Linear::load(spec.up, source));
  NWC_ASSIGN_OR_RETURN(layers.norm, Norm::load(spec.norm, source));
  if (spec.q_down) {
    NWC_ASSIGN_OR_RETURN(layers.q_down, Linear::load(*spec.q_down, source));
  }
  NWC_ASSIGN_OR_RETURN(layers.q_norm, load_norm(spec.q_norm, source));
  return layers;
}

}  // namespace

Result<Attention> Attention::load(const AttentionSpec& spec, const ParameterSource& source,
                                  std::shared_ptr<RopeTables> rope) {
  Attention attention;
  attention.spec = spec;
  if (spec.qkv) {
    NWC_ASSIGN_OR_RETURN(attention.qkv, Linear::load(*spec.qkv, source));
  } else {
    NWC_ASSIGN_OR_RETURN(attention.q, Linear::load(spec.q, source));
  }
  if (spec.latent) {
    NWC_ASSIGN_OR_RETURN(attention.latent, load_latent(*spec.latent, source));
  } else if (!spec.qkv) {
    NWC_ASSIGN_OR_RETURN(attention.k, Linear::load(spec.k, source));
    NWC_ASSIGN_OR_RETURN(attention.v, Linear::load(spec.v, source));
  }
  NWC_ASSIGN_OR_RETURN(attention.o, Linear::load(spec.o, source));
  NWC_ASSIGN_OR_RETURN(attention.q_norm, load_norm(spec.q_norm, source));
  NWC_ASSIGN_OR_RETURN(attention.k_norm, load_norm(spec.k_norm, source));
  NWC_ASSIGN_OR_RETURN(attention.sinks, load_optional({spec.sinks, {spec.heads}}, source));
  attention.rope = std::move(rope);
  return attention;
}

Attention::Heads Attention::heads_of(const at::Tensor& x, int64_t position, const SequenceLayout* layout,
                                     const LinearHook& hook) const {
  const int64_t q_width = spec.heads * spec.head_dim, kv_width = spec.kv_heads * spec.head_dim;
  at::Tensor queries, keys, values;
  if (qkv) {
    const std::vector<at::Tensor> parts = qkv->forward(x, hook).split_with_sizes({q_width, kv_width, kv_width}, 2);
    queries = parts[0], keys = parts[1], values = parts[2];
  } else {
    queries = q.forward(x, hook);
    keys = k.forward(x, hook);
    values = v.forward(x, hook);
  }
  // [batch, length, heads, head_dim], normalised before or after by the norm's width.
  const auto split = [&](const at::Tensor& y, int64_t heads, const std::optional<Norm>& norm) {
    const bool whole = norm && norm->spec.features != spec.head_dim;
    const at::Tensor split_up = (whole ? norm->forward(y) : y).reshape({x.size(0), x.size(1), heads, spec.head_dim});
    return spread(norm && !whole ? norm->forward(split_up) : split_up, layout);
  };
  queries = split(queries, spec.heads, q_norm);
  keys = split(keys, spec.kv_heads, k_norm);
  if (spec.rope) {
    queries = rope->rotate(queries, *spec.rope, position);
    keys = rope->rotate(keys, *spec.rope, position);
  }
  return {queries, keys, split(values, spec.kv_heads, std::nullopt)};
}

Attention::Heads Attention::latent_heads_of(const at::Tensor& x, int64_t position, const SequenceLayout* layout,
                                            const LinearHook& hook) const {
  const LatentLayers& l = *latent;
  const int64_t rotary = spec.latent->rotary_dim, fixed = spec.head_dim - rotary, value_dim = spec.latent->value_dim;
  const auto split = [&](const at::Tensor& y) {
    return spread(y.view({x.size(0), x.size(1), spec.heads, -1}), layout);
  };
  const auto turned = [&](const at::Tensor& y) { return spec.rope ? rope->rotate(y, *spec.rope, position) : y; };

  const at::Tensor q_input = l.q_down ? l.q_norm->forward(l.q_down->forward(x, hook)) : x;
  const at::Tensor both = l.down.forward(x, hook);
  const at::Tensor queries = split(q.forward(q_input, hook));
  const at::Tensor shared = turned(spread(both.narrow(2, both.size(2) - rotary, rotary).unsqueeze(2), layout));
  const at::Tensor ups = split(l.up.forward(l.norm.forward(both.narrow(2, 0, both.size(2) - rotary)), hook));
  return {torch::cat({queries.narrow(3, 0, fixed), turned(queries.narrow(3, fixed, rotary))}, 3),
          torch::cat({ups.narrow(3, 0, fixed), shared.expand({-1, -1, spec.heads, -1})}, 3),
          ups.narrow(3, fixed, value_dim)};
}

at::Tensor Attention::forward(const at::Tensor& x, LayerCache* cache, const SequenceLayout* layout,
                              const LinearHook& hook) const {
  const int64_t position = cache != nullptr ? cache->length() : 0;
  Heads heads = latent ? latent_heads_of(x, position, layout, hook) : heads_of(x, position, layout, hook);
  if (cache != nullptr) std::tie(heads.keys, heads.values) = cache->append(heads.keys, heads.values);
  const Visibility visibility{spec.scale, spec.causal, spec.window, sinks, spec.softcap};
  const at::Tensor mixed = attend(heads.queries, heads.keys, heads.values, visibility);
  return o.forward(layout != nullptr ? layout->collect(mixed) : mixed, hook);
}

}  // namespace nwc
