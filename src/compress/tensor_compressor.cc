#include "compress/tensor_compressor.h"

#include <chrono>

#include "compress/tensor_loop.h"
#include "decode/tensor_decoder.h"
#include "format/stream_header.h"
#include "format/tiling.h"
#include "tensor/device.h"

namespace nwc {

Result<CompressedTensor> TensorCompressor::compress(const TensorView& tensor, std::span<const std::byte> values) const {
  const auto started = std::chrono::steady_clock::now();
  const WeightMatrix weights = WeightMatrix::of(tensor, selection_.stored_transposed(tensor), values);
  std::shared_ptr<const DeviceWeights> device_weights;
  if (device_ != nullptr) {
    Result<std::shared_ptr<const DeviceWeights>> uploaded = device_->upload(weights);
    if (!uploaded) return std::move(uploaded).error().in_tensor(tensor.name);
    device_weights = *std::move(uploaded);
  }
  CompressedTensor result;
  TensorRecord& record = result.record;
  TensorRecord::Encoding& encoding = record.encoding.emplace();
  NWC_ASSIGN_OR_RETURN(TensorGuide guide, guides_.guide_of(tensor, weights, encoder_.level_errors(), &encoding.notes,
                                                           device_weights.get()));
  if (settings_.level > 0)
    guide.levels.assign(weights.matrices * weights.columns, static_cast<uint8_t>(settings_.level));
  Result<EncodedTensor> encoded =
      encode_tensor(weights, guide, encoder_, settings_.encode, settings_.threads, device_weights.get());
  if (!encoded) return std::move(encoded).error().in_tensor(tensor.name);
  result.encoded = *std::move(encoded);
  encoding.statistics = result.encoded.statistics;
  record.name = tensor.name;
  record.dtype = original_of(tensor).dtype;
  record.shape = tensor.shape;
  record.weights = weights.elements();
  record.payload_bytes = encoding.statistics.payload_bytes;
  record.side_bytes =
      result.encoded.stream.size() - record.payload_bytes + result.encoded.scales.size() + result.encoded.levels.size();
  record.own_tables = result.encoded.header.has_own_tables;
  record.columns_per_level.resize(encoder_.codec().parts().levels());
  for (const uint8_t l : guide.levels) ++record.columns_per_level[l];
  if (guide.levels.empty()) record.columns_per_level[0] = weights.matrices * weights.columns;
  encoding.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

Status TensorCompressor::decode(const std::string& name, const EncodedTensor& encoded, std::span<float> out) const {
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder,
                       TensorDecoder::open(name, encoded.stream, encoded.scales, encoded.levels, encoder_.codec()));
  return decoder.decode(DType::kF32, std::as_writable_bytes(out), settings_.threads);
}

uint64_t TensorCompressor::working_bytes(const TensorView& tensor) const {
  return nwc::working_bytes(WeightMatrix::of(tensor, selection_.stored_transposed(tensor), {}), &guides_);
}

std::vector<PlannedTensor> TensorCompressor::side_tensors(const TensorView& tensor) const {
  const WeightMatrix weights = WeightMatrix::of(tensor, selection_.stored_transposed(tensor), {});
  std::vector<PlannedTensor> side{
      {tensor.name + kScalesSuffix, DType::kF16, {stored_scales(weights, settings_.encode.normalisation.kind)}}};
  if (settings_.has_levels) {
    side.push_back({tensor.name + kLevelsSuffix,
                    DType::kU8,
                    {packed_level_bytes(weights.matrices * weights.columns, encoder_.codec().parts().levels())}});
  }
  return side;
}

}  // namespace nwc
