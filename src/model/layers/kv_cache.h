// The keys and values that generation keeps, so that each new token costs one position and not the whole context.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "libtorch/tensor_fwd.h"

namespace nwc {

// One block's keys and values. Not thread-safe.
class LayerCache {
 public:
  LayerCache();
  LayerCache(LayerCache&&) noexcept;
  LayerCache& operator=(LayerCache&&) noexcept;
  ~LayerCache();

  // Positions held so far.
  int64_t length() const { return length_; }
  // Adds k and v, float32 [batch, new positions, kv_heads, head_dim], and returns all held so far as views
  // [batch, length(), kv_heads, head_dim]. The batch must be the same each time.
  std::pair<at::Tensor, at::Tensor> append(const at::Tensor& k, const at::Tensor& v);

 private:
  int64_t length_ = 0;
  std::vector<at::Tensor> storage_;  // none, or keys and values [batch, capacity, kv_heads, head_dim]
};

// One per block of the model.
using KvCache = std::vector<LayerCache>;

}  // namespace nwc
