#include "codec/encode/encoder_codec.h"

#include <cmath>

#include "nwcodec/version.h"

namespace nwc {
namespace {

constexpr const char* kAnalysis = "g_a";
constexpr const char* kNmse = "quality.nmse";

std::string density_name(size_t layer, const char* part) { return "density." + std::to_string(layer) + "." + part; }

Error misshapen(const std::string& name) {
  return Error(ErrorCode::kCorrupt, "has a shape that does not fit the rest of the codec").in_tensor(name);
}

Result<DensityWeights> read_density(const SafetensorsFile& file, const DecoderCodec& decoder) {
  DensityWeights density;
  density.latents = decoder.latents();
  std::vector<uint64_t> shape;
  for (size_t i = 0; file.find(density_name(i, "matrix")) != nullptr; ++i) {
    DensityWeights::Layer layer;
    NWC_ASSIGN_OR_RETURN(layer.matrix, load_floats(file, density_name(i, "matrix"), shape));
    if (shape.size() != 4 || shape[1] != density.latents) return misshapen(density_name(i, "matrix"));
    if (i == 0) density.sets = shape[0];
    const uint64_t wanted_inputs = i == 0 ? 1 : density.layers.back().outputs;
    if (shape[0] != density.sets || shape[3] != wanted_inputs || shape[2] == 0)
      return misshapen(density_name(i, "matrix"));
    layer.outputs = shape[2];
    layer.inputs = shape[3];
    const std::vector<uint64_t> vector_shape{density.sets, density.latents, layer.outputs, 1};
    NWC_ASSIGN_OR_RETURN(layer.bias, load_floats(file, density_name(i, "bias"), shape));
    if (shape != vector_shape) return misshapen(density_name(i, "bias"));
    if (file.find(density_name(i, "factor")) != nullptr) {
      NWC_ASSIGN_OR_RETURN(layer.factor, load_floats(file, density_name(i, "factor"), shape));
      if (shape != vector_shape) return misshapen(density_name(i, "factor"));
    }
    density.layers.push_back(std::move(layer));
  }
  if (density.layers.empty() || density.layers.back().outputs != 1 || !density.layers.back().factor.empty()) {
    return Error(ErrorCode::kCorrupt, "is missing, or does not end in one output")
        .in_tensor(density_name(density.layers.size(), "matrix"));
  }
  if (density.sets != 1 && density.sets != decoder.levels()) return misshapen(density_name(0, "matrix"));
  return density;
}

Result<EncoderCodec> read(const SafetensorsFile& file) {
  EncoderCodec codec;
  NWC_ASSIGN_OR_RETURN(codec.decoder, read_decoder_codec(file));
  NWC_ASSIGN_OR_RETURN(codec.analysis, load_transform(kAnalysis, loader_of(file)));
  const DecoderCodec& d = codec.decoder;
  if (codec.analysis.inputs != d.chunk_length() || codec.analysis.outputs != d.latents() ||
      codec.analysis.levels != d.levels()) {
    return misshapen(std::string(kAnalysis) + ".out.weight");
  }
  NWC_ASSIGN_OR_RETURN(codec.density, read_density(file, d));
  std::vector<uint64_t> shape;
  NWC_ASSIGN_OR_RETURN(codec.nmse, load_floats(file, kNmse, shape));
  if (shape != std::vector<uint64_t>{d.levels()}) return misshapen(kNmse);
  for (const float v : codec.nmse) {
    if (!std::isfinite(v) || v <= 0) return Error(ErrorCode::kCorrupt, "holds an impossible error").in_tensor(kNmse);
  }
  codec.metadata = file.metadata();
  return codec;
}

}  // namespace

Result<EncoderCodec> read_encoder_codec(const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  if (file.find(std::string(kAnalysis) + ".out.weight") == nullptr && file.find("g_s.out.weight") != nullptr) {
    return Error(ErrorCode::kInvalidArgument, "is the decoder's half of a codec and cannot compress")
        .in_file(path.string())
        .remedy("use a codec written by nwcodec train, or one of those shipped");
  }
  Result<EncoderCodec> codec = read(file);
  if (!codec) return std::move(codec).error().in_file(path.string());
  return codec;
}

Status write_encoder_codec(const std::filesystem::path& path, const EncoderCodec& codec) {
  std::vector<NamedTensor> tensors = decoder_tensors(codec.decoder);
  store_transform(kAnalysis, codec.analysis,
                  [&](const std::string& name, std::vector<uint64_t> shape, std::span<const float> values) {
                    tensors.push_back(half_tensor(name, std::move(shape), values));
                  });
  const DensityWeights& density = codec.density;
  for (size_t i = 0; i < density.layers.size(); ++i) {
    const DensityWeights::Layer& layer = density.layers[i];
    tensors.push_back(plain_tensor(density_name(i, "matrix"), DType::kF32,
                                   {density.sets, density.latents, layer.outputs, layer.inputs}, layer.matrix));
    tensors.push_back(plain_tensor(density_name(i, "bias"), DType::kF32,
                                   {density.sets, density.latents, layer.outputs, 1}, layer.bias));
    if (layer.factor.empty()) continue;
    tensors.push_back(plain_tensor(density_name(i, "factor"), DType::kF32,
                                   {density.sets, density.latents, layer.outputs, 1}, layer.factor));
  }
  tensors.push_back(plain_tensor(kNmse, DType::kF32, {codec.nmse.size()}, codec.nmse));
  std::map<std::string, std::string> metadata = codec.metadata;
  metadata[kVersionKey] = std::to_string(version_of(codec.decoder));
  return write_tensors(path, tensors, std::move(metadata));
}

}  // namespace nwc
