#include "codec/codec_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/half.h"
#include "checkpoint/safetensors_writer.h"
#include "format/format_versions.h"

namespace nwc {
namespace {

constexpr const char* kParameters = "tables.parameters";
constexpr const char* kCenters = "tables.centers";
constexpr const char* kFrequencies = "tables.frequencies";
constexpr const char* kSynthesis = "g_s";
constexpr const char* kTrellis = "trellis.next";
constexpr unsigned kTrellisVersion = 3;  // the first format version that has it

Result<const TensorView*> find_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorView* view = file.find(name);
  if (view == nullptr) return Error(ErrorCode::kNotFound, "is missing").in_tensor(name);
  return view;
}

Error misshapen(const char* name, std::string why) {
  return Error(ErrorCode::kCorrupt, std::move(why)).in_tensor(name);
}

// The version that a codec says it is.
Result<unsigned> read_version(const SafetensorsFile& file) {
  const auto entry = file.metadata().find(kVersionKey);
  if (entry == file.metadata().end()) {
    return Error(ErrorCode::kCorrupt, std::string("has no ") + kVersionKey + " in its metadata")
        .remedy("is it a codec?");
  }
  if (is_known_version(entry->second)) return static_cast<unsigned>(std::stoul(entry->second));
  return unknown_version("codec ", entry->second);
}

Result<std::vector<float>> read_centers(const SafetensorsFile& file, uint64_t levels, uint64_t channels) {
  NWC_ASSIGN_OR_RETURN(const TensorView* view, find_tensor(file, kCenters));
  if (view->dtype != DType::kF32 || view->shape != std::vector<uint64_t>{levels, channels}) {
    return misshapen(kCenters, "is not an F32 tensor of shape [levels, latents]");
  }
  std::vector<float> centers(levels * channels);
  std::memcpy(centers.data(), view->bytes.data(), view->bytes.size());
  for (const float center : centers) {
    if (!std::isfinite(center)) return misshapen(kCenters, "holds a number that is not finite");
  }
  return centers;
}

Result<CodecTables> read_tables(const SafetensorsFile& file, bool has_trellis) {
  CodecTables tables;
  NWC_ASSIGN_OR_RETURN(const TensorView* parameters, find_tensor(file, kParameters));
  if (parameters->dtype != DType::kI32 || parameters->shape.size() != 3 || parameters->shape[2] != 3) {
    return misshapen(kParameters, "is not an I32 tensor of shape [levels, latents, 3]");
  }
  const uint64_t levels = parameters->shape[0], channels = parameters->shape[1];
  if (levels == 0 || levels > limits::kMaxLevels || channels == 0 || channels > limits::kMaxLatents) {
    return misshapen(kParameters, "declares more levels or latents than a codec may have, or none");
  }
  tables.levels = static_cast<unsigned>(levels);
  tables.channels = static_cast<unsigned>(channels);

  if (has_trellis) {
    tables.centers.assign(levels * channels, 0.0f);
  } else {
    NWC_ASSIGN_OR_RETURN(tables.centers, read_centers(file, levels, channels));
  }

  NWC_ASSIGN_OR_RETURN(const TensorView* frequencies, find_tensor(file, kFrequencies));
  if (frequencies->dtype != DType::kU16 || frequencies->shape.size() != 1)
    return misshapen(kFrequencies, "is not a U16 vector");
  ByteReader numbers(parameters->bytes), entries(frequencies->bytes);
  for (uint64_t i = 0; i < levels * channels; ++i) {
    FrequencyTable table;
    table.minimum = *numbers.le<int32_t>();
    const int32_t count = *numbers.le<int32_t>(), shift = *numbers.le<int32_t>();
    if (count < 1 || count >= static_cast<int32_t>(limits::kMaxSymbols) || shift < 0 ||
        shift > static_cast<int32_t>(limits::kMaxShift)) {
      return misshapen(kParameters, "table " + std::to_string(i) + " has a count or shift out of range");
    }
    table.shift = static_cast<uint32_t>(shift);
    if (has_trellis && (table.minimum % 2 != 0 || count % 2 != 0))
      return misshapen(kParameters, "table " + std::to_string(i) + " of a trellis has an odd minimum or count");
    if (entries.remaining() / 2 < static_cast<size_t>(count) + 1)
      return misshapen(kFrequencies, "is shorter than its tables");
    for (int32_t s = 0; s <= count; ++s) table.frequencies.push_back(*entries.le<uint16_t>());
    if (Status status = check_table(table); !status) return std::move(status).error().in_tensor(kFrequencies);
    tables.set.push_back(std::move(table));
  }
  if (entries.remaining() != 0) return misshapen(kFrequencies, "is longer than its tables");
  if (has_trellis && tables.set.size() % 2 != 0)
    return misshapen(kParameters, "has an odd number of tables, and a trellis needs two of each kind");
  return tables;
}

// Null without one.
Result<std::optional<Trellis>> read_trellis(const SafetensorsFile& file, unsigned version) {
  const TensorView* const view = file.find(kTrellis);
  if (view == nullptr || version < kTrellisVersion) return std::optional<Trellis>();
  if (view->dtype != DType::kU8 || view->shape.size() != 2 || view->shape[0] == 0 ||
      view->shape[0] > limits::kMaxTrellisStates || view->shape[1] != 2) {
    return misshapen(kTrellis, "is not a U8 tensor of shape [states, 2], of at most " +
                                   std::to_string(limits::kMaxTrellisStates) + " states");
  }
  Trellis trellis{.states = static_cast<unsigned>(view->shape[0])};
  for (unsigned state = 0; state < trellis.states; ++state) {
    for (unsigned branch = 0; branch < 2; ++branch) {
      const auto next = static_cast<unsigned>(view->bytes[2 * state + branch]);
      if (next >= trellis.states) return misshapen(kTrellis, "leads to a state that it does not have");
      trellis.next[state][branch] = static_cast<uint8_t>(next);
    }
  }
  return std::optional(trellis);
}

}  // namespace

NamedTensor half_tensor(std::string name, std::vector<uint64_t> shape, std::span<const float> values) {
  NamedTensor tensor{std::move(name), DType::kF16, std::move(shape), {}};
  tensor.bytes.reserve(values.size() * 2);
  for (const float v : values) append_le(tensor.bytes, half_from_float(v));
  return tensor;
}

Status write_tensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                     std::map<std::string, std::string> metadata) {
  std::vector<PlannedTensor> plan;
  plan.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) plan.push_back({tensor.name, tensor.dtype, tensor.shape});
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::create(path, std::move(plan), {}, std::move(metadata), {}));
  for (const NamedTensor& tensor : tensors) NWC_RETURN_IF_ERROR(writer.write(tensor.name, 0, tensor.bytes));
  return writer.finish();
}

Result<std::vector<float>> load_floats(const SafetensorsFile& file, const std::string& name,
                                       std::vector<uint64_t>& shape) {
  NWC_ASSIGN_OR_RETURN(const TensorView* view, find_tensor(file, name));
  shape = view->shape;
  std::vector<float> values;
  if (view->dtype == DType::kF16) {
    values.resize(view->bytes.size() / 2);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = float_from_half(load_le<uint16_t>(view->bytes.data() + 2 * i));
  } else if (view->dtype == DType::kF32) {
    values.resize(view->bytes.size() / 4);
    std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
  } else {
    return Error(ErrorCode::kCorrupt,
                 "has dtype " + std::string(name_of(view->dtype)) + "; a codec's floats are F16 or F32")
        .in_tensor(name);
  }
  return values;
}

TensorLoader loader_of(const SafetensorsFile& file) {
  return {.has = [&file](const std::string& name) { return file.find(name) != nullptr; },
          .load = [&file](const std::string& name,
                          std::vector<uint64_t>& shape) { return load_floats(file, name, shape); }};
}

Result<DecoderCodec> read_decoder_codec(const SafetensorsFile& file) {
  const auto named = [&](Error error) { return std::move(error).in_file(file.path().string()); };
  const Result<unsigned> version = read_version(file);
  if (!version) return named(version.error());
  Result<std::optional<Trellis>> trellis = read_trellis(file, *version);
  if (!trellis) return named(std::move(trellis).error());
  const bool has_trellis = trellis->has_value();
  Result<TransformWeights> synthesis =
      has_trellis ? Result<TransformWeights>(TransformWeights()) : load_transform(kSynthesis, loader_of(file));
  if (!synthesis) return named(std::move(synthesis).error());
  Result<CodecTables> tables = read_tables(file, has_trellis);
  if (!tables) return named(std::move(tables).error());
  if (has_trellis) *synthesis = identity_transform(tables->levels, tables->channels);
  if (tables->levels != synthesis->levels || tables->channels != synthesis->inputs) {
    return named(misshapen(kParameters, "has another number of levels or latents than g_s"));
  }
  return DecoderCodec{*std::move(synthesis), *std::move(tables), *std::move(trellis)};
}

bool is_plain(const DecoderCodec& codec) {
  return is_identity(codec.synthesis) && std::all_of(codec.tables.centers.begin(), codec.tables.centers.end(),
                                                     [](float center) { return center == 0.0f; });
}

unsigned version_of(const DecoderCodec& codec) { return codec.trellis ? kTrellisVersion : kOldestFormatVersion; }

std::vector<NamedTensor> decoder_tensors(const DecoderCodec& codec) {
  std::vector<NamedTensor> tensors;
  if (codec.trellis) {
    const std::span<const uint8_t> table = codec.trellis->table();
    tensors.push_back(plain_tensor(kTrellis, DType::kU8, {codec.trellis->states, 2},
                                   std::vector<uint8_t>(table.begin(), table.end())));
  } else {
    store_transform(kSynthesis, codec.synthesis,
                    [&](const std::string& name, std::vector<uint64_t> shape, std::span<const float> values) {
                      tensors.push_back(half_tensor(name, std::move(shape), values));
                    });
  }
  std::vector<int32_t> parameters;
  std::vector<uint16_t> frequencies;
  for (const FrequencyTable& table : codec.tables.set) {
    parameters.insert(parameters.end(),
                      {table.minimum, static_cast<int32_t>(table.count()), static_cast<int32_t>(table.shift)});
    frequencies.insert(frequencies.end(), table.frequencies.begin(), table.frequencies.end());
  }
  const uint64_t levels = codec.levels(), channels = codec.latents();
  tensors.push_back(plain_tensor(kParameters, DType::kI32, {levels, channels, 3}, parameters));
  if (!codec.trellis) tensors.push_back(plain_tensor(kCenters, DType::kF32, {levels, channels}, codec.tables.centers));
  tensors.push_back(plain_tensor(kFrequencies, DType::kU16, {frequencies.size()}, frequencies));
  return tensors;
}

}  // namespace nwc
