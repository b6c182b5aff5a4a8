// The files of one checkpoint directory, plain or compressed, with each original tensor tied to what stores it. What
// several directories make together is decode/layered_store.h's business.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/checksums.h"
#include "codec/codec.h"
#include "decode/tensor_decoder.h"
#include "format/difference.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/decode_backend.h"
#include "nwcodec/weights.h"

namespace nwc {

// Where one original tensor is stored.
struct StoredWeight {
  WeightInfo info;
  size_t shard;                        // index into checkpoint().shards()
  const TensorView* plain = nullptr;   // if stored as it is
  const TensorView* stream = nullptr;  // if compressed
  const TensorView* scales = nullptr;
  const TensorView* levels = nullptr;  // may be absent
  // In compressed checkpoints and differences: docs/format.md, section 9.
  uint64_t identity = 0;
  std::optional<uint64_t> base = {};  // of a stream that holds a difference
};

// Immutable after open(); threads share it.
class WeightStore {
 public:
  // `backend` decodes the compressed tensors; none: the CPU. Also kMismatch for a directory that holds differences,
  // which are no weights by themselves.
  static Result<WeightStore> open(const std::filesystem::path& directory,
                                  std::shared_ptr<DecodeBackend> backend = nullptr);
  // The same for a directory of either kind: difference() says which. What is decoded may be a difference.
  static Result<WeightStore> open_layer(const std::filesystem::path& directory,
                                        std::shared_ptr<DecodeBackend> backend = nullptr);

  const Checkpoint& checkpoint() const { return checkpoint_; }
  bool is_compressed() const { return codec_ != nullptr; }
  // nullptr for a checkpoint that stands for itself.
  const Difference* difference() const { return difference_ ? &*difference_ : nullptr; }
  // Precondition: is_compressed().
  const Codec& codec() const { return *codec_; }
  const std::map<std::string, StoredWeight>& weights() const { return weights_; }

  // Checks scales and levels against the shard's checksums and opens the stream. Precondition: weight.stream !=
  // nullptr.
  Result<TensorDecoder> open_stream(const StoredWeight& weight) const;
  // A slice of a tensor that open_stream() opened, as TensorDecoder::decode_slice() gives it, on the backend if there
  // is one; decode_all() likewise every matrix. Errors name file and tensor.
  Status decode(const StoredWeight& weight, const TensorDecoder& decoder, const Slice& slice, DType dtype,
                std::span<std::byte> out, int threads) const;
  Status decode_all(const StoredWeight& weight, const TensorDecoder& decoder, DType dtype, std::span<std::byte> out,
                    int threads) const;
  // Checks a plain tensor's bytes, if the shard has checksums.
  Status verify_plain(const StoredWeight& weight) const;
  // Checks a stream's bytes against the shard's checksums; decoding does without, because tiles have their own.
  // Precondition: weight.stream != nullptr.
  Status verify_stream(const StoredWeight& weight) const;

  // Adds file and tensor to an error, and turns an offset in the stream into one in the file.
  Error locate(Error error, const StoredWeight& weight, const TensorView& view) const;

 private:
  explicit WeightStore(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}
  Status tie_tensors();
  Checkpoint checkpoint_;
  std::unique_ptr<Codec> codec_;
  std::optional<Difference> difference_;
  std::vector<std::optional<Checksums>> checksums_;  // per shard; all present if compressed
  std::map<std::string, StoredWeight> weights_;
  std::shared_ptr<DecodeBackend> backend_;
  std::unique_ptr<std::mutex> one_at_a_time_ = std::make_unique<std::mutex>();  // calls of the backend
};

// Converts between F32, F16 and BF16 (round to nearest even, saturating; infinities and NaN stay); `from` and `to` hold
// the same number of elements.
void convert_floats(DType from_type, std::span<const std::byte> from, DType to_type, std::span<std::byte> to);

}  // namespace nwc
