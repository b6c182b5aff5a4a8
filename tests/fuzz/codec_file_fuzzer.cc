// Any bytes as codec.safetensors: refused with a message, or a codec that decodes and that a file of its tensors gives
// back.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "nwcodec/checkpoint.h"

namespace {

constexpr uint64_t kMaxFlops = 4'000'000;  // per chunk; larger networks are read but not run

void require(bool promise) {
  if (!promise) std::abort();
}

void decode_one_chunk(const nwc::Codec& codec) {
  const nwc::Transform& synthesis = codec.synthesis();
  const unsigned levels = codec.parts().levels(), latents = codec.parts().latents();
  require(levels >= 1 && latents >= 1 && synthesis.inputs() == latents &&
          synthesis.outputs() == codec.parts().chunk_length());
  const size_t stride = nwc::Transform::padded(1);
  nwc::AlignedVector<float> z(latents * stride, 0.0f), y(synthesis.output_rows() * stride), scratch;
  for (unsigned level = 0; level < levels; ++level) {
    for (unsigned c = 0; c < latents; ++c) {
      const nwc::SymbolMap& map = codec.tables().symbols(static_cast<nwc::Context>(level * latents + c));
      require(map.count >= 1 && map.count < nwc::limits::kMaxSymbols);
      z[c * stride] = static_cast<float>(map.minimum) + codec.parts().tables.centers[level * latents + c];
    }
    for (const nwc::Isa isa : nwc::available_isas())
      synthesis.apply(level, 1, z.data(), y.data(), stride, isa, scratch);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  const nwc::Result<nwc::SafetensorsFile> file = nwc::SafetensorsFile::parse(input, "input");
  if (!file) return 0;
  nwc::Result<nwc::DecoderCodec> parts = nwc::read_decoder_codec(*file);
  if (!parts) {
    require(parts.error().file() == "input" && !parts.error().message().empty());
    return 0;
  }
  const std::vector<nwc::NamedTensor> tensors = nwc::decoder_tensors(*parts);
  for (const nwc::NamedTensor& tensor : tensors) {
    const nwc::TensorView* view = file->find(tensor.name);
    require(view != nullptr && view->shape == tensor.shape);
  }
  if (parts->synthesis.flops_per_chunk() > kMaxFlops) return 0;
  decode_one_chunk(nwc::Codec(*std::move(parts), 1));
  return 0;
}
