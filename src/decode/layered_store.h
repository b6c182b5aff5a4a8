// A checkpoint that several directories make together (docs/format.md, section 9): one that stands for itself, with the
// refinements inside it, or a delta on another checkpoint. A checkpoint without either is one layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "decode/weight_store.h"
#include "nwcodec/decode_backend.h"
#include "nwcodec/weights.h"

namespace nwc {

// A tensor of the whole.
struct LayeredWeight {
  struct Part {
    size_t layer;  // index into LayeredStore::layers()
    const StoredWeight* stored;
  };
  WeightInfo info;
  std::vector<Part> parts;  // bottom up; all but the first are differences
  size_t home = 0;          // shard of the first layer where a plain checkpoint would have it

  const Part& last() const { return parts.back(); }
  // What one directory gives by itself; nullptr for sums.
  const StoredWeight* alone() const { return parts.size() == 1 ? parts[0].stored : nullptr; }
};

// The streams of a tensor, opened. Refers to the store.
struct OpenedWeight {
  const LayeredWeight* weight;
  std::vector<std::optional<TensorDecoder>> decoders;  // of each part; none of one that is not compressed

  // Rows of the original, as it is stored, that are decoded together at no extra cost.
  uint64_t row_granularity() const;
};

// Immutable after open(); threads share it.
class LayeredStore {
 public:
  // Errors: those of WeightStore::open_layer(); kNotFound for a base, or for layers that are asked for and not there;
  // kMismatch for a difference from something else; kInvalidArgument for a base where none is wanted. They name the
  // file, the tensor where it is one, and what helps.
  static Result<LayeredStore> open(const std::filesystem::path& directory, const WeightsOptions& options);

  // Of the whole's directory: the path that was given.
  const std::filesystem::path& directory() const { return directory_; }
  bool is_compressed() const { return layers_[0].is_compressed(); }
  const std::vector<WeightStore>& layers() const { return layers_; }
  // Index of the first layer that lies in directory(): behind those of a delta's base.
  size_t first_own() const { return first_own_; }
  const std::map<std::string, LayeredWeight>& weights() const { return weights_; }
  // Of what all layers give. Precondition: is_compressed().
  uint64_t identity() const;
  // What a user should know of layers that are there and not read, a sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

  Result<OpenedWeight> open_weight(const LayeredWeight& weight) const;
  // A part of a tensor, as Weights::read() gives it: `slice` has numbers for its ends and lies inside the tensor, `out`
  // has its size. Sums take eight bytes of memory for each weight. Errors name file and tensor. Precondition: the
  // tensor has a part that is compressed.
  Status decode(const OpenedWeight& opened, const WeightSlice& slice, DType dtype, std::span<std::byte> out,
                int threads) const;
  // All matrices of it, one after another.
  Status decode_all(const OpenedWeight& opened, DType dtype, std::span<std::byte> out, int threads) const;
  // The caller has what it wanted of the tensor: its pages are not needed again soon.
  void release(const LayeredWeight& weight) const;

 private:
  LayeredStore() = default;
  Status add_first(WeightStore store);
  Status add(WeightStore store);
  // Those of directory_, as many as asked for.
  Status add_refinements(const WeightsOptions& options);
  Status tie(const WeightStore& store, const StoredWeight& stored, LayeredWeight* below) const;
  Status decode_part(const OpenedWeight& opened, size_t part, const WeightSlice& slice, DType dtype,
                     std::span<std::byte> out, int threads) const;

  std::filesystem::path directory_;
  std::vector<WeightStore> layers_;
  size_t first_own_ = 0;
  std::map<std::string, LayeredWeight> weights_;
  std::vector<std::string> notes_;
};

// What cannot read several layers says so of a directory that has them. Errors: kUnsupported.
Status check_one_layer(const std::filesystem::path& directory);

// The notes of all its checkpoints and its own: what a user should know of files that are there and not read.
std::vector<std::string> notes_of(const LayeredStore& store);

}  // namespace nwc
