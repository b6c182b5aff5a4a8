// Tensors to tiles for the kernels: which of them takes a tile, with which tables, and where everything stands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "cuda/decode/batch_state.h"
#include "cuda/decode/device_types.h"
#include "decode/tensor_decoder.h"

namespace nwc::cuda {

class BatchPlanner {
 public:
  BatchPlanner(const CudaDecoder::State& decoder, CudaBatch::Options options) : decoder_(decoder), options_(options) {}

  // Tensor `number` of the batch, whose streams are checked. Errors: those of TensorDecoder::open(); kInvalidArgument
  // for another dtype or a slice outside the tensor; kUnsupported for a table rule that kernels do not have; kLimit.
  Status add(const CudaTensor& tensor, uint32_t number);
  // Lays out what add() collected.
  void finish(CudaBatch::State& state);

 private:
  // Tables and network of a (tensor, level), in device memory already or in the blob.
  struct LevelImages {
    const Channel* channels = nullptr;
    const SmallTables* tables = nullptr;
    size_t channels_at = 0, tables_at = 0;    // in the blob, if the pointers are null
    bool own = false, small_entropy = false;  // small_entropy: there are tables for the fused kernel
    const SmallNetwork* network = nullptr;
  };
  struct Planned {
    Tile tile;
    CudaBatch::State::Source source;
    size_t image;
    bool wide;
  };

  // How many weights of a matrix have each class.
  void count_classes(const TensorDecoder& stream, uint64_t matrix);
  // The classes that most weights have, as many as there is room for.
  void choose_window(CudaBatch::State& state);
  // Neighbouring tiles with the same tables in shared memory.
  void append_segments(const std::vector<Planned>& tiles, size_t& at, uint32_t& count);
  size_t images_of(const TensorDecoder& stream, unsigned level);
  Status add_group(const CudaTensor& tensor, uint32_t number, const TensorDecoder& stream, const Slice& slice,
                   const LevelGroup& group, uint64_t elements);

  const CudaDecoder::State& decoder_;
  CudaBatch::Options options_;
  Blob blob_;
  uint32_t product_rows_ = 0, product_columns_ = 0;  // of the only tensor, see State
  size_t scales_at_ = 0, factors_at_ = 0, column_classes_at_ = 0, row_classes_at_ = 0,
         trellis_at_ = 0;  // of the current tensor
  // By level, of the current tensor and of the codec: indices into all_images_.
  std::map<unsigned, size_t> images_, codec_images_;
  std::vector<LevelImages> all_images_;
  std::vector<Group> groups_;
  std::vector<std::pair<size_t, size_t>> group_pointers_;
  std::vector<Planned> small_, any_;
  std::vector<uint64_t> weights_of_class_;  // of codecs with a trellis
};

}  // namespace nwc::cuda
