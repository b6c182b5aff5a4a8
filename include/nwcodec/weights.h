// A model's weights by name, whether its checkpoint directory is plain or compressed: the one door through which
// evaluation, generation, decompression and embedding programs read tensors.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nwcodec/decode_backend.h"
#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// A tensor as the original checkpoint had it.
struct WeightInfo {
  std::string name;
  DType dtype;                  // in the original checkpoint
  std::vector<uint64_t> shape;  // in the original checkpoint
  bool compressed;              // stored as an nwcodec stream
  uint64_t elements() const;
  // As a list of matrices of the last two dimensions. One dimension is one row, none one row of one column.
  uint64_t matrices() const;
  uint64_t rows() const;
  uint64_t columns() const;
};

// Rows [row_begin, row_end) by columns [column_begin, column_end) of one of a tensor's matrices, in the original's
// shape (WeightInfo::matrices(), rows(), columns()).
struct WeightSlice {
  static constexpr uint64_t kEnd = ~uint64_t{0};  // behind the last row, or column
  uint64_t matrix = 0;
  uint64_t row_begin = 0, row_end = kEnd;
  uint64_t column_begin = 0, column_end = kEnd;
};

// What of a checkpoint is opened, and where.
struct WeightsOptions {
  // How many layers of a progressive checkpoint: 1 for its base alone, one more for each refinement. None: all that are
  // there.
  std::optional<unsigned> layers = std::nullopt;
  // Of a delta: the directory of its base. Empty: where the delta says that it lies, seen from its own directory.
  std::filesystem::path base = {};
  // Decodes the compressed tensors of the directory's own first layer in the place of this machine's cores; others are
  // decoded, and sums taken, on the cores.
  std::shared_ptr<DecodeBackend> backend = nullptr;
};

class Weights {
 public:
  // Opens `directory`, plain or compressed. For a compressed checkpoint the codec is read and tied to the streams by
  // its hash, and every stream's header is checked; tiles are checked when they are decoded. `backend`, if there is
  // one, decodes the compressed tensors in the place of this machine's cores; a plain checkpoint does not use it.
  static Result<Weights> open(const std::filesystem::path& directory, std::shared_ptr<DecodeBackend> backend = nullptr);
  // The same with a choice of layers, and of a base. A checkpoint's refinements lie inside its directory, and each is
  // tied to what is below it by a hash, as a delta is to its base (docs/format.md, section 9). Tensors are the sums of
  // their layers; reading one takes eight bytes of memory for each weight read. Also kNotFound for layers, or a base,
  // that are not there, and kMismatch for those that do not belong together.
  static Result<Weights> open(const std::filesystem::path& directory, const WeightsOptions& options);
  Weights(Weights&&) noexcept;
  Weights& operator=(Weights&&) noexcept;
  ~Weights();

  const std::filesystem::path& directory() const;
  bool is_compressed() const;
  // The files of directory() that weights are read from, in the order of their names. A delta's base and refinements
  // have others, in directories of their own.
  const std::vector<std::filesystem::path>& files() const;
  // How the directory is read where that is not plain from its files, a line each: Checkpoint::notes(), the weight
  // files that are not read, and layers that are not.
  const std::vector<std::string>& warnings() const;
  // The original checkpoint's tensors, in the order of their names.
  const std::vector<WeightInfo>& list() const;
  // nullptr if there is none of that name.
  const WeightInfo* find(const std::string& name) const;

  // Writes the tensor, converted to `dtype` (F32, F16 or BF16; round to nearest even, values beyond the largest finite
  // one saturate), row-major, to `out`, which must hold elements() * bits_of(dtype) / 8 bytes. A tensor of another
  // dtype can only be read as what it is. `threads` <= 0 means all cores.
  // Errors: kNotFound, kInvalidArgument (the buffer's size), kUnsupported (the dtype), kCorrupt with file and offset,
  // kLimit (out of memory).
  Status read(const std::string& name, DType dtype, std::span<std::byte> out, int threads = 1) const;
  // The same for a part, dense in `out`: rows times columns of `dtype`. Decodes only the tiles that hold some of it,
  // and touches no bytes of the file but theirs, or the part's own in a tensor that is not compressed. A whole such
  // tensor is compared with its checksum; a part of one is not, for that would read all of it. Cheap parts of
  // compressed tensors are rows (columns, if the original's shape is [inputs, outputs]) at multiples of 16. Also
  // kInvalidArgument for a slice that lies outside the tensor, and kUnsupported for one that cuts a byte of a dtype of
  // less than 8 bits.
  Status read(const std::string& name, const WeightSlice& slice, DType dtype, std::span<std::byte> out,
              int threads = 1) const;

 private:
  struct State;
  explicit Weights(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
