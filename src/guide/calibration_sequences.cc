#include "guide/calibration_sequences.h"

#include <cstring>
#include <span>
#include <system_error>

#include "checkpoint/checksums.h"
#include "checkpoint/safetensors_writer.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadataKey = "nwcodec.calibration";
constexpr const char* kPrefix = "sequences.";
constexpr const char* kHeldOut = "held_out";

bool is_sound(const TensorView& tensor) {
  return tensor.dtype == DType::kI32 && tensor.shape.size() == 2 && tensor.shape[1] > 0;
}

// Of a sound tensor.
std::vector<CalibrationSequences::Sequence> sequences_in(const TensorView& tensor) {
  std::vector<CalibrationSequences::Sequence> sequences(tensor.shape[0]);
  const uint64_t bytes = tensor.shape[1] * sizeof(int32_t);
  for (uint64_t s = 0; s < sequences.size(); ++s) {
    sequences[s].resize(tensor.shape[1]);
    std::memcpy(sequences[s].data(), tensor.bytes.data() + s * bytes, bytes);
  }
  return sequences;
}

}  // namespace

fs::path sequences_file(const fs::path& hessians) { return hessians / "sequences.safetensors"; }

Result<CalibrationSequences> read_sequences(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return Error(ErrorCode::kNotFound, "is missing")
        .in_file(path.string())
        .remedy("make these Hessians again: nwcodec calibrate with --force writes the file beside them");
  }
  NWC_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::open(path));
  NWC_RETURN_IF_ERROR(verify_file(file));
  const auto corrupt = [&](const std::string& tensor, const char* what) {
    return Error(ErrorCode::kCorrupt, what).in_file(path.string()).in_tensor(tensor);
  };
  CalibrationSequences result;
  if (const auto text = file.metadata().find(kMetadataKey); text != file.metadata().end()) {
    Result<Json> json = parse_json(text->second);
    if (!json) return std::move(json).error().in_file(path.string());
    result.calibration = *std::move(json);
  }
  for (size_t i = 0;; ++i) {
    const std::string name = kPrefix + std::to_string(i);
    const TensorView* tensor = file.find(name);
    if (tensor == nullptr) break;
    if (!is_sound(*tensor)) return corrupt(name, "is not I32 [count, length]");
    result.texts.push_back(sequences_in(*tensor));
  }
  if (const TensorView* tensor = file.find(kHeldOut)) {
    if (!is_sound(*tensor)) return corrupt(kHeldOut, "is not I32 [count, length]");
    result.held_out = sequences_in(*tensor);
  }
  if (result.texts.empty()) return corrupt(std::string(kPrefix) + "0", "is missing");
  return result;
}

Status write_sequences(const fs::path& path, const CalibrationSequences& sequences) {
  std::vector<PlannedTensor> planned;
  std::vector<const std::vector<CalibrationSequences::Sequence>*> texts;
  const auto plan = [&](std::string name, const std::vector<CalibrationSequences::Sequence>& text) {
    planned.push_back({std::move(name), DType::kI32, {text.size(), text.empty() ? 1 : text[0].size()}});
    texts.push_back(&text);
  };
  for (size_t i = 0; i < sequences.texts.size(); ++i) plan(kPrefix + std::to_string(i), sequences.texts[i]);
  if (!sequences.held_out.empty()) plan(kHeldOut, sequences.held_out);
  std::vector<std::string> names;
  for (const PlannedTensor& tensor : planned) names.push_back(tensor.name);
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::create(path, std::move(planned), {},
                                                 {{kMetadataKey, sequences.calibration.dump()}}, {.checksums = true}));
  for (size_t i = 0; i < texts.size(); ++i) {
    uint64_t at = 0;
    for (const auto& sequence : *texts[i]) {
      NWC_RETURN_IF_ERROR(writer.write(names[i], at, std::as_bytes(std::span(sequence))));
      at += sequence.size() * sizeof(int32_t);
    }
  }
  return writer.finish();
}

}  // namespace nwc
