// Any bytes as a safetensors file: refused with a message, or every promise of SafetensorsFile holds.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "checkpoint/checksums.h"
#include "nwcodec/checkpoint.h"

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check_layout(const nwc::SafetensorsFile& file, std::span<const std::byte> input) {
  const std::byte* position = input.data() + file.header_bytes().size();
  require(file.header_bytes().data() == input.data());
  for (const nwc::TensorView& tensor : file.tensors()) {
    require(tensor.bytes.data() == position);
    require(tensor.file_offset == static_cast<uint64_t>(position - input.data()));
    require(file.find(tensor.name) == &tensor);
    // Any order of multiplication is safe, zeros included.
    uint64_t bits = nwc::bits_of(tensor.dtype);
    for (const uint64_t dim : tensor.shape) require(!__builtin_mul_overflow(bits, dim == 0 ? 1 : dim, &bits));
    for (const uint64_t dim : tensor.shape) bits = dim == 0 ? 0 : bits;
    require(bits % 8 == 0 && bits / 8 == tensor.bytes.size());
    position += tensor.bytes.size();
  }
  require(position == input.data() + input.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  const nwc::Result<nwc::SafetensorsFile> file = nwc::SafetensorsFile::parse(input, "input");
  if (!file) {
    require(file.error().file() == "input" && !file.error().message().empty());
    return 0;
  }
  check_layout(*file, input);
  const nwc::Result<nwc::Checksums> checksums = nwc::Checksums::of(*file);
  if (!checksums) return 0;
  for (const nwc::TensorView& tensor : file->tensors()) {
    const nwc::Status status = checksums->verify(tensor);
    require(status.ok() || status.error().code() == nwc::ErrorCode::kCorrupt);
  }
  return 0;
}
