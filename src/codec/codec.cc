#include "codec/codec.h"

#include "base/file.h"
#include "base/hash.h"

namespace nwc {

Codec::Codec(DecoderCodec parts, uint64_t id)
    : parts_(std::move(parts)),
      id_(id),
      synthesis_(parts_.synthesis),
      tables_(parts_.tables.set),
      plain_(is_plain(parts_)) {}

Result<Codec> Codec::open(const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > limits::kMaxCodecFile) {
    return Error(ErrorCode::kLimit, "is larger than any codec may be").in_file(path.string());
  }
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile tensors, SafetensorsFile::parse(file.bytes(), path.string()));
  NWC_ASSIGN_OR_RETURN(DecoderCodec parts, read_decoder_codec(tensors));
  return Codec(std::move(parts), xxh3(file.bytes()));
}

}  // namespace nwc
