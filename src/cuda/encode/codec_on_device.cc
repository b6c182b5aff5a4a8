#include "cuda/encode/codec_on_device.h"

#include <cstring>

#include "base/half.h"
#include "cuda/decode/codec_image.h"
#include "cuda/support/blob.h"
#include "tensor/tensor_encoder.h"

namespace nwc::cuda {
namespace {

constexpr size_t kComponents = 16;

bool are_halves(const std::vector<float>& values) {
  for (const float v : values) {
    if (float_from_half(half_from_float(v)) != v) return false;
  }
  return true;
}

std::optional<SmallCodecShape> small_codec_shape(const EncoderCodec& codec, uint32_t shared_room) {
  const TransformWeights& a = codec.analysis;
  if (a.width != kSmallAnalysisWidth || a.depth == 0 || codec.decoder.synthesis.depth != 0) return std::nullopt;
  const SmallCodecShape shape{static_cast<uint32_t>(a.depth), static_cast<uint32_t>(a.levels),
                              static_cast<uint32_t>(a.embedding_sets)};
  bool halves = are_halves(a.in_weight) && are_halves(a.out_weight);
  for (const TransformWeights::Block& block : a.blocks) halves = halves && are_halves(block.weight);
  return halves && small_codec_fits(shape, shared_room) ? std::optional(shape) : std::nullopt;
}

std::vector<uint8_t> image_of(const EncoderCodec& codec, const SmallCodecShape& shape,
                              const std::vector<float>& thresholds) {
  const TransformWeights &a = codec.analysis, &s = codec.decoder.synthesis;
  const SmallCodecLayout layout = small_codec_layout(shape);
  std::vector<uint8_t> image(layout.bytes);
  // [inputs / 2][outputs] pairs from [outputs][inputs].
  const auto pairs = [&](uint32_t at, const std::vector<float>& weight, size_t inputs, size_t outputs) {
    for (size_t k = 0; k < inputs; ++k) {
      for (size_t j = 0; j < outputs; ++j) {
        const uint16_t half = half_from_float(weight[j * inputs + k]);
        std::memcpy(image.data() + at + ((k / 2 * outputs + j) * 2 + k % 2) * sizeof half, &half, sizeof half);
      }
    }
  };
  const auto floats = [&](uint32_t at, const std::vector<float>& values) {
    std::memcpy(image.data() + at, values.data(), values.size() * sizeof(float));
  };
  pairs(layout.in_weight, a.in_weight, kComponents, kSmallAnalysisWidth);
  for (size_t b = 0; b < a.depth; ++b) {
    const auto at = static_cast<uint32_t>(b);
    pairs(layout.blocks + at * kSmallAnalysisWidth / 2 * kSmallAnalysisWidth * 4, a.blocks[b].weight,
          kSmallAnalysisWidth, kSmallAnalysisWidth);
    const uint32_t vectors = layout.block_vectors + at * 3 * kSmallAnalysisWidth * 4;
    floats(vectors, a.blocks[b].bias);
    floats(vectors + kSmallAnalysisWidth * 4, a.blocks[b].gain);
    floats(vectors + 2 * kSmallAnalysisWidth * 4, a.blocks[b].offset);
  }
  pairs(layout.out_weight, a.out_weight, kSmallAnalysisWidth, kComponents);
  floats(layout.in_bias, a.in_bias);
  floats(layout.embeddings, a.embedding);
  floats(layout.out_bias, a.out_bias);
  floats(layout.synthesis_embedding, s.embedding);
  std::vector<float> transposed(kComponents * kComponents);
  for (size_t j = 0; j < kComponents; ++j) {
    for (size_t k = 0; k < kComponents; ++k) transposed[k * kComponents + j] = s.out_weight[j * kComponents + k];
  }
  floats(layout.synthesis_weight, transposed);
  floats(layout.synthesis_bias, s.out_bias);
  floats(layout.centers, codec.decoder.tables.centers);
  floats(layout.thresholds, thresholds);
  return image;
}

}  // namespace

Result<CodecOnDevice> CodecOnDevice::of(const EncoderCodec& codec, int device) {
  const DecoderCodec& decoder = codec.decoder;
  if (decoder.trellis) return CodecOnDevice{.levels = decoder.levels()};  // which has no networks
  if (decoder.chunk_length() != kComponents || decoder.latents() != kComponents) {
    return Error(ErrorCode::kUnsupported, "codec has chunks of " + std::to_string(decoder.chunk_length()) +
                                              " weights and " + std::to_string(decoder.latents()) +
                                              " latents; on a GPU both must be 16")
        .remedy("compress on the CPU");
  }
  CodecOnDevice result;
  result.levels = decoder.levels();
  std::vector<float> thresholds;
  for (const float nmse : codec.nmse) thresholds.push_back(patch_threshold(nmse));

  Blob blob;
  size_t image_at = 0;
  int shared_room = 0;
  NWC_RETURN_IF_ERROR(checked(cudaDeviceGetAttribute(&shared_room, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                              "asking the device"));
  result.shared_room = static_cast<uint32_t>(shared_room);
  result.small = small_codec_shape(codec, result.shared_room);
  if (result.small) image_at = blob.append(image_of(codec, *result.small, thresholds));
  int major = 0;
  NWC_RETURN_IF_ERROR(
      checked(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "asking the device"));
  const WidePath wide_path = major == 9 ? WidePath::kWgmma : WidePath::kMma;
  struct Place {
    size_t exact;
    std::optional<size_t> wide;
  };
  const auto place = [&](const TransformWeights& weights) {
    return Place{append_network(blob, weights), append_wide_network(blob, weights, wide_path)};
  };
  const Place analysis = place(codec.analysis), synthesis = place(decoder.synthesis);
  const size_t centers_at = blob.append(decoder.tables.centers), thresholds_at = blob.append(thresholds);

  NWC_ASSIGN_OR_RETURN(result.memory, DeviceMemory::of(blob.size()));
  std::vector<std::byte> bytes(blob.size());
  blob.write(result.memory.data(), bytes.data());
  NWC_RETURN_IF_ERROR(checked(cudaMemcpy(result.memory.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice),
                              "copying the codec"));
  const auto at = [&]<class T>(size_t offset) { return reinterpret_cast<const T*>(result.memory.bytes() + offset); };
  const auto network = [&](const Place& p, const TransformWeights& w) {
    const auto size = [](size_t n) { return static_cast<uint32_t>(n); };
    return NetworkOnDevice{at.operator()<Network>(p.exact),
                           p.wide ? at.operator()<WideNetwork>(*p.wide) : nullptr,
                           wide_path,
                           size(w.width),
                           size(w.inputs),
                           size(w.outputs)};
  };
  if (result.small) result.small_image = at.operator()<uint8_t>(image_at);
  result.analysis = network(analysis, codec.analysis);
  result.synthesis = network(synthesis, decoder.synthesis);
  result.centers = at.operator()<float>(centers_at);
  result.thresholds = at.operator()<float>(thresholds_at);
  return result;
}

}  // namespace nwc::cuda
