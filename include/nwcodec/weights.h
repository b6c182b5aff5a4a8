// A model's weights by name, whether its checkpoint directory is plain or compressed: the one door through which
// evaluation, generation, decompression and embedding programs read tensors.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

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
};

class Weights {
 public:
  // Opens `directory`, plain or compressed. For a compressed checkpoint the codec is read and tied to the streams by
  // its hash, and every stream's header is checked; tiles are checked when they are decoded.
  static Result<Weights> open(const std::filesystem::path& directory);
  Weights(Weights&&) noexcept;
  Weights& operator=(Weights&&) noexcept;
  ~Weights();

  const std::filesystem::path& directory() const;
  bool is_compressed() const;
  // The original checkpoint's tensors, in the order of their names.
  const std::vector<WeightInfo>& list() const;
  // nullptr if there is none of that name.
  const WeightInfo* find(const std::string& name) const;

  // Writes the tensor, converted to `dtype` (F32, F16 or BF16; round to nearest even, values beyond the largest finite
  // one saturate), row-major, to `out`, which must hold elements() * bits_of(dtype) / 8 bytes. A tensor of another
  // dtype can only be read as what it is. `threads` <= 0 means all cores.
  Status read(const std::string& name, DType dtype, std::span<std::byte> out, int threads = 1) const;

 private:
  struct State;
  explicit Weights(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace nwc
