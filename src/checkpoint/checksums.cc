#include "checkpoint/checksums.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace nwc {
namespace {

constexpr const char* kRemedy = "the file is damaged: fetch or write it again";

}  // namespace

Result<Checksums> Checksums::of(const SafetensorsFile& file) {
  const std::string path = file.path().string();
  const std::string name(kChecksumTensorName);
  const TensorView* stored = file.find(name);
  if (stored == nullptr) {
    return Error(ErrorCode::kNotFound, "the file carries no checksums").in_file(path).in_tensor(name);
  }
  const size_t count = file.tensors().size();  // of the other tensors, plus one for the header
  if (stored->dtype != DType::kU64 || stored->shape != std::vector<uint64_t>{count}) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("is {} of shape [{}], but a file of {} tensors needs U64 of shape [{}]",
                             name_of(stored->dtype), fmt::join(stored->shape, ", "), count, count))
        .in_file(path)
        .in_tensor(name)
        .at_offset(stored->file_offset);
  }
  const auto value = [&](size_t i) { return load_le<uint64_t>(stored->bytes.data() + i * sizeof(uint64_t)); };
  if (const uint64_t expected = value(count - 1), actual = xxh3(file.header_bytes()); actual != expected) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("the header's checksum is {}, not {} as stored", hex64(actual), hex64(expected)))
        .in_file(path)
        .at_offset(0)
        .remedy(kRemedy);
  }
  Checksums checksums;
  checksums.file_ = path;
  size_t next = 0;
  for (const TensorView& tensor : file.tensors()) {
    if (&tensor != stored) checksums.hash_by_tensor_.emplace(tensor.name, value(next++));
  }
  return checksums;
}

Status Checksums::verify(const TensorView& tensor) const {
  if (tensor.name == kChecksumTensorName) return {};
  const auto found = hash_by_tensor_.find(tensor.name);
  if (found == hash_by_tensor_.end()) {
    return Error(ErrorCode::kInvalidArgument, "the file has no such tensor").in_file(file_).in_tensor(tensor.name);
  }
  if (const uint64_t actual = xxh3(tensor.bytes); actual != found->second) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("its checksum is {}, not {} as stored", hex64(actual), hex64(found->second)))
        .in_file(file_)
        .in_tensor(tensor.name)
        .at_offset(tensor.file_offset)
        .remedy(kRemedy);
  }
  return {};
}

Status verify_file(const SafetensorsFile& file) {
  NWC_ASSIGN_OR_RETURN(const Checksums checksums, Checksums::of(file));
  for (const TensorView& tensor : file.tensors()) {
    NWC_RETURN_IF_ERROR(checksums.verify(tensor));
    file.release(tensor);
  }
  return {};
}

}  // namespace nwc
