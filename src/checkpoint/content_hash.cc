#include "checkpoint/content_hash.h"

#include <algorithm>

#include "base/hash.h"
#include "base/parallel.h"
#include "checkpoint/checksums.h"

namespace nwc {
namespace {

constexpr size_t kPiece = size_t{16} << 20;

}  // namespace

void ContentHash::add(std::span<const std::byte> bytes, int threads) {
  const size_t pieces = std::max<size_t>(1, (bytes.size() + kPiece - 1) / kPiece), first = hashes_.size();
  hashes_.resize(first + pieces);
  const auto hash_piece = [&](size_t i, int) -> Status {
    hashes_[first + i] = xxh3(bytes.subspan(i * kPiece, std::min(kPiece, bytes.size() - i * kPiece)));
    return {};
  };
  if (pieces == 1) {
    (void)hash_piece(0, 0);
  } else {
    (void)parallel_for(pieces, threads, hash_piece);  // cannot fail
  }
}

uint64_t ContentHash::value() const { return xxh3(std::as_bytes(std::span(hashes_))); }

uint64_t content_hash(const SafetensorsFile& file, int threads) {
  ContentHash hash;
  hash.add(file.header_bytes(), threads);
  for (const TensorView& tensor : file.tensors()) {
    hash.add(tensor.bytes, threads);
    file.release(tensor);
  }
  return hash.value();
}

uint64_t checksummed_content_hash(const SafetensorsFile& file, int threads) {
  const TensorView* const checksums = file.find(std::string(kChecksumTensorName));
  if (checksums == nullptr) return content_hash(file, threads);
  ContentHash hash;
  hash.add(file.header_bytes(), threads);
  hash.add(checksums->bytes, threads);
  return hash.value();
}

}  // namespace nwc
