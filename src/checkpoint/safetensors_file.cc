#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/exceptions.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lfs_pointer.h"
#include "checkpoint/safetensors_layout.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/limits.h"

namespace nwc {

struct SafetensorsFile::State {
  std::filesystem::path path;
  std::optional<MappedFile> mapping;  // none for parse()d bytes
  std::span<const std::byte> header;
  std::vector<TensorView> tensors;
  std::unordered_map<std::string_view, size_t> by_name;  // keys point into `tensors`
  std::map<std::string, std::string> metadata;
};

namespace {

// A tensor's entry of the header. The offsets are relative to the end of the header.
struct Entry {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  uint64_t begin, end;
};

struct Header {
  std::span<const std::byte> bytes;  // length prefix included
  std::vector<Entry> entries;        // in the order of the JSON text
  std::map<std::string, std::string> metadata;
};

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

// The JSON text between the length prefix and the data.
Result<std::string_view> header_text(std::span<const std::byte> file) {
  if (file.size() < kLengthPrefixBytes) {
    return corrupt("is " + std::to_string(file.size()) +
                   " bytes long, too short for the length of a safetensors header");
  }
  if (is_lfs_pointer({reinterpret_cast<const char*>(file.data()), file.size()})) return lfs_pointer_error();
  const uint64_t length = load_le<uint64_t>(file.data());
  if (length > limits::kMaxSafetensorsHeader) {
    return Error(ErrorCode::kLimit, "declares a header of " + std::to_string(length) + " bytes; the limit is " +
                                        std::to_string(limits::kMaxSafetensorsHeader))
        .at_offset(0)
        .remedy("check that it is a safetensors file");
  }
  const uint64_t available = file.size() - kLengthPrefixBytes;
  if (length > available) {
    return corrupt("declares a header of " + std::to_string(length) + " bytes, but only " + std::to_string(available) +
                   " follow")
        .at_offset(0)
        .remedy("the file may be incomplete: fetch it again");
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthPrefixBytes, length);
  if (text.empty() || text.front() != '{') {
    return corrupt("the header does not start with '{'").at_offset(kLengthPrefixBytes);
  }
  // No JSON text has a raw NUL; the JSON library takes one for the end of its input.
  if (const size_t at = text.find('\0'); at != std::string_view::npos) {
    return corrupt("the header has a NUL byte").at_offset(kLengthPrefixBytes + at);
  }
  return text;
}

Result<std::map<std::string, std::string>> parse_metadata(const Json& value) {
  const std::string key(kMetadataKey);
  if (!value.is_object()) return corrupt(key + " is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) return corrupt(key + " maps '" + name + "' to something that is not a string");
    metadata.emplace(name, text.get_ref<const std::string&>());
  }
  return metadata;
}

// The value of an array of unsigned integers.
Result<std::vector<uint64_t>> parse_integers(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end()) return corrupt(std::string("the header gives it no '") + key + "'");
  if (!found->is_array()) return corrupt(std::string("'") + key + "' is not an array");
  if (found->size() > limits::kMaxDims) {
    return Error(ErrorCode::kLimit, std::string("'") + key + "' has " + std::to_string(found->size()) +
                                        " elements; the limit is " + std::to_string(limits::kMaxDims));
  }
  std::vector<uint64_t> values;
  values.reserve(found->size());
  for (const Json& value : *found) {
    if (!value.is_number_unsigned()) {
      return corrupt(std::string("'") + key + "' has an element that is not an unsigned 64-bit integer");
    }
    values.push_back(value.get<uint64_t>());
  }
  return values;
}

Result<Entry> parse_entry(const std::string& name, const Json& value) {
  if (!value.is_object()) return corrupt("its header entry is not an object");
  const auto dtype_name = value.find("dtype");
  if (dtype_name == value.end()) return corrupt("the header gives it no 'dtype'");
  if (!dtype_name->is_string()) return corrupt("'dtype' is not a string");
  const auto dtype = dtype_from_name(dtype_name->get_ref<const std::string&>());
  if (!dtype) {
    return Error(ErrorCode::kUnsupported,
                 "unknown dtype '" + dtype_name->get_ref<const std::string&>().substr(0, 100) + "'");
  }
  NWC_ASSIGN_OR_RETURN(std::vector<uint64_t> shape, parse_integers(value, "shape"));
  NWC_ASSIGN_OR_RETURN(const std::vector<uint64_t> offsets, parse_integers(value, "data_offsets"));
  if (offsets.size() != 2) return corrupt("'data_offsets' has " + std::to_string(offsets.size()) + " elements, not 2");
  return Entry{name, *dtype, std::move(shape), offsets[0], offsets[1]};
}

Result<Header> parse_header(std::span<const std::byte> file) {
  NWC_ASSIGN_OR_RETURN(const std::string_view text, header_text(file));
  Result<Json> json = parse_json(text);
  if (!json) {
    Error error(json.error().code(), "the header is no valid safetensors header: " + json.error().message());
    if (const auto offset = json.error().offset()) return std::move(error).at_offset(kLengthPrefixBytes + *offset);
    return error;
  }
  Header header;
  header.bytes = file.first(kLengthPrefixBytes + text.size());
  if (json->size() > limits::kMaxTensors) {
    return Error(ErrorCode::kLimit, "has " + std::to_string(json->size()) + " tensors; the limit is " +
                                        std::to_string(limits::kMaxTensors));
  }
  header.entries.reserve(json->size());
  for (const auto& [name, value] : json->items()) {
    if (name == kMetadataKey) {
      NWC_ASSIGN_OR_RETURN(header.metadata, parse_metadata(value));
      continue;
    }
    Result<Entry> entry = parse_entry(name, value);
    if (!entry) return std::move(entry).error().in_tensor(name);
    header.entries.push_back(*std::move(entry));
  }
  return header;
}

// Checks that an entry, whose data should begin at `expected`, describes its bytes truly.
Status check_entry(const Entry& entry, uint64_t expected, uint64_t data_begin) {
  if (entry.begin != expected) {
    return corrupt("its data begins at " + std::to_string(entry.begin) + " of the data section instead of " +
                   std::to_string(expected) + (entry.begin > expected ? ": a hole" : ": an overlap"))
        .at_offset(data_begin + expected);
  }
  if (entry.end < entry.begin) {
    return corrupt("its data ends at " + std::to_string(entry.end) + ", before it begins at " +
                   std::to_string(entry.begin))
        .at_offset(data_begin + entry.begin);
  }
  Result<uint64_t> size = checked_tensor_bytes(entry.name, entry.dtype, entry.shape);
  if (!size) return std::move(size).error().at_offset(data_begin + entry.begin);
  if (entry.end - entry.begin != *size) {
    return corrupt("its dtype and shape need " + std::to_string(*size) + " bytes, but its offsets span " +
                   std::to_string(entry.end - entry.begin))
        .at_offset(data_begin + entry.begin);
  }
  return {};
}

Result<std::vector<TensorView>> make_views(std::vector<Entry> entries, std::span<const std::byte> file,
                                           uint64_t data_begin) {
  // A zero-size tensor shares its offset with the next tensor and stands before it; several such keep the header's
  // order.
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const std::span<const std::byte> data = file.subspan(data_begin);
  std::vector<TensorView> views;
  views.reserve(entries.size());
  uint64_t position = 0;
  for (Entry& entry : entries) {
    if (Status status = check_entry(entry, position, data_begin); !status) {
      return std::move(status).error().in_tensor(entry.name);
    }
    if (entry.end > data.size()) {
      return corrupt("its data ends at " + std::to_string(entry.end) + ", but the data section has only " +
                     std::to_string(data.size()) + " bytes")
          .in_tensor(entry.name)
          .at_offset(data_begin + entry.begin)
          .remedy("the file may be incomplete: fetch it again");
    }
    views.push_back({std::move(entry.name), entry.dtype, std::move(entry.shape),
                     data.subspan(entry.begin, entry.end - entry.begin), data_begin + entry.begin});
    position = entry.end;
  }
  if (position != data.size()) {
    return corrupt(std::to_string(data.size() - position) + " bytes after the last tensor belong to none")
        .at_offset(data_begin + position);
  }
  return views;
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& label) {
  return catch_exceptions([&] { return parse_checked(bytes, label); });
}

Result<SafetensorsFile> SafetensorsFile::parse_checked(std::span<const std::byte> bytes, const std::string& label) {
  Result<Header> header = parse_header(bytes);
  if (!header) return std::move(header).error().in_file(label);
  Result<std::vector<TensorView>> views = make_views(std::move(header->entries), bytes, header->bytes.size());
  if (!views) return std::move(views).error().in_file(label);

  auto state = std::make_unique<State>();
  state->path = label;
  state->header = header->bytes;
  state->tensors = *std::move(views);
  state->metadata = std::move(header->metadata);
  state->by_name.reserve(state->tensors.size());
  for (size_t i = 0; i < state->tensors.size(); ++i) state->by_name.emplace(state->tensors[i].name, i);
  return SafetensorsFile(std::move(state));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  return catch_exceptions([&]() -> Result<SafetensorsFile> {
    NWC_ASSIGN_OR_RETURN(MappedFile mapping, MappedFile::open(path));
    NWC_ASSIGN_OR_RETURN(SafetensorsFile file, parse_checked(mapping.bytes(), path.string()));
    file.state_->mapping = std::move(mapping);  // moving a mapping does not move its bytes
    return file;
  });
}

const std::vector<TensorView>& SafetensorsFile::tensors() const { return state_->tensors; }

const TensorView* SafetensorsFile::find(const std::string& name) const {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : &state_->tensors[found->second];
}

const std::map<std::string, std::string>& SafetensorsFile::metadata() const { return state_->metadata; }
std::span<const std::byte> SafetensorsFile::header_bytes() const { return state_->header; }
const std::filesystem::path& SafetensorsFile::path() const { return state_->path; }

void SafetensorsFile::release(const TensorView& tensor) const {
  if (state_->mapping) state_->mapping->release(tensor.file_offset, tensor.bytes.size());
}

}  // namespace nwc
