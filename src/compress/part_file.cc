#include "compress/part_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "checkpoint/checksums.h"
#include "format/stream_header.h"
#include "format/tiling.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunKey = "nwcodec.run";
constexpr const char* kReports = "nwcodec.reports";  // U8: JSON

}  // namespace

Result<PartWriter> PartWriter::create(const fs::path& path, const std::string& run, const PartContents& contents,
                                      const TensorCompressor& compressor) {
  std::vector<PlannedTensor> fixed;
  std::vector<std::string> growing;
  for (const TensorView* tensor : contents.replaced) fixed.push_back({tensor->name, tensor->dtype, tensor->shape});
  std::vector<PlannedTensor> replaced = fixed;
  for (const TensorView* tensor : contents.compressed) {
    for (PlannedTensor& side : compressor.side_tensors(*tensor)) fixed.push_back(std::move(side));
    growing.push_back(tensor->name + kStreamSuffix);
  }
  growing.push_back(kReports);
  NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(path, std::move(fixed), std::move(growing),
                                                                           {{kRunKey, run}}, {.checksums = true}));
  return PartWriter(std::move(writer), std::move(replaced));
}

Status PartWriter::add(const CompressedTensor& tensor) {
  const std::string& name = tensor.record.name;
  NWC_RETURN_IF_ERROR(writer_.write(name + kScalesSuffix, 0, tensor.encoded.scales));
  if (!tensor.encoded.levels.empty())
    NWC_RETURN_IF_ERROR(writer_.write(name + kLevelsSuffix, 0, tensor.encoded.levels));
  NWC_RETURN_IF_ERROR(writer_.append(name + kStreamSuffix, tensor.encoded.stream));
  records_.push_back(tensor.record);
  return {};
}

Status PartWriter::replace(const std::string& name, std::span<const std::byte> values) {
  return writer_.write(name, 0, values);
}

TensorRecord& PartWriter::record_of(const std::string& name) {
  return *std::find_if(records_.begin(), records_.end(),
                       [&](const TensorRecord& record) { return record.name == name; });
}

Status PartWriter::finish() {
  Json reports = Json::array();
  for (const TensorRecord& record : records_) reports.push_back(to_json(record));
  const std::string text = reports.dump(-1, ' ', false, Json::error_handler_t::replace);
  NWC_RETURN_IF_ERROR(writer_.append(kReports, as_bytes(text)));
  return writer_.finish();
}

Result<Part> Part::open(const fs::path& path, const std::string& run) {
  const auto at_fault = [&](Error error) { return std::move(error).in_file(path.string()); };
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) return std::move(file).error();
  if (Status whole = verify_file(*file); !whole) return at_fault(std::move(whole).error());
  const auto of_run = file->metadata().find(kRunKey);
  if (of_run == file->metadata().end() || of_run->second != run)
    return at_fault(Error(ErrorCode::kMismatch, "is a part of another run"));
  const TensorView* text = file->find(kReports);
  if (text == nullptr) return at_fault(Error(ErrorCode::kCorrupt, "holds no reports of its tensors"));
  Result<Json> reports = parse_json({reinterpret_cast<const char*>(text->bytes.data()), text->bytes.size()});
  if (!reports) return at_fault(std::move(reports).error()).in_tensor(kReports);
  if (!reports->is_array()) return at_fault(Error(ErrorCode::kCorrupt, "is no list")).in_tensor(kReports);
  Part part(*std::move(file));
  for (const Json& json : *reports) {
    Result<TensorRecord> record = tensor_record_from(json);
    if (!record) return at_fault(std::move(record).error()).in_tensor(kReports);
    part.records_.push_back(*std::move(record));
  }
  return part;
}

fs::path PartStore::path_of(size_t item) const { return directory_ / fmt::format("part-{:05d}.safetensors", item); }

Status PartStore::create_directory() const {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) return Error(ErrorCode::kIo, "cannot be created: " + error.message()).in_file(directory_.string());
  return {};
}

}  // namespace nwc
