#include "model/layers/kv_cache.h"

#include <algorithm>

#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr int64_t kSmallestCapacity = 64;  // positions; capacity at least doubles from here

// `old`, of which the first `used` positions count, in a tensor with room for `capacity` positions; shaped like `like`.
at::Tensor grown(const at::Tensor& old, int64_t used, int64_t capacity, const at::Tensor& like) {
  at::Tensor storage = torch::empty({like.size(0), capacity, like.size(2), like.size(3)}, like.options());
  if (used > 0) storage.narrow(1, 0, used).copy_(old.narrow(1, 0, used));
  return storage;
}

}  // namespace

LayerCache::LayerCache() = default;
LayerCache::LayerCache(LayerCache&&) noexcept = default;
LayerCache& LayerCache::operator=(LayerCache&&) noexcept = default;
LayerCache::~LayerCache() = default;

std::pair<at::Tensor, at::Tensor> LayerCache::append(const at::Tensor& k, const at::Tensor& v) {
  const int64_t added = k.size(1), needed = length_ + added;
  if (storage_.empty() || storage_[0].size(1) < needed) {
    const int64_t capacity = std::max({kSmallestCapacity, needed, 2 * length_});
    const bool first = storage_.empty();
    storage_ = {grown(first ? k : storage_[0], length_, capacity, k),
                grown(first ? v : storage_[1], length_, capacity, v)};
  }
  storage_[0].narrow(1, length_, added).copy_(k);
  storage_[1].narrow(1, length_, added).copy_(v);
  length_ = needed;
  return {storage_[0].narrow(1, 0, length_), storage_[1].narrow(1, 0, length_)};
}

}  // namespace nwc
