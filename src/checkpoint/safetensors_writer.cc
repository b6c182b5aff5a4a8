#include "checkpoint/safetensors_writer.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/checksums.h"
#include "checkpoint/json_text.h"
#include "checkpoint/safetensors_layout.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

// Files cannot be longer than what off_t counts.
constexpr uint64_t kMaxFileBytes = std::numeric_limits<int64_t>::max();

// XXH3-64 of bytes that come in pieces; holds memory between the first piece and take() only.
class StreamingHash {
 public:
  void update(std::span<const std::byte> bytes) {
    if (!state_) {
      state_.reset(XXH3_createState());
      if (!state_) throw std::bad_alloc();
      XXH3_64bits_reset(state_.get());
    }
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }
  // The hash of all pieces so far.
  uint64_t take() {
    if (!state_) return xxh3(std::string_view());
    const uint64_t hash = XXH3_64bits_digest(state_.get());
    state_.reset();
    return hash;
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// A tensor's place in the file and what has arrived of it.
struct Slot {
  PlannedTensor tensor;  // the shape of a growing tensor stays [0]; `size` has its length
  std::string quoted_name;
  bool growing = false;
  uint64_t size = 0;     // in bytes; of a growing tensor: those appended so far
  uint64_t written = 0;  // equals size for a growing tensor
  uint64_t begin = 0;    // from the start of the data; a growing tensor's is known once those before it are closed
  StreamingHash streaming;
  uint64_t hash = 0;  // once the tensor is complete or closed
};

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

Result<Slot> make_slot(PlannedTensor tensor, bool growing) {
  Slot slot;
  NWC_ASSIGN_OR_RETURN(slot.quoted_name, json_quoted(tensor.name));
  NWC_ASSIGN_OR_RETURN(slot.size, checked_tensor_bytes(tensor.name, tensor.dtype, tensor.shape));
  slot.tensor = std::move(tensor);
  slot.growing = growing;
  return slot;
}

// Descending element size, then name: the offset of a tensor of whole-byte elements is a multiple of their size.
bool lies_before(const Slot& a, const Slot& b) {
  const unsigned bits_a = bits_of(a.tensor.dtype), bits_b = bits_of(b.tensor.dtype);
  return bits_a != bits_b ? bits_a > bits_b : a.tensor.name < b.tensor.name;
}

// The slots in the order of their data, `begin` set for all fixed ones.
Result<std::vector<Slot>> lay_out(std::vector<PlannedTensor> fixed, std::vector<std::string> growing, bool checksums) {
  std::vector<Slot> slots;
  slots.reserve(fixed.size() + growing.size() + 1);
  const auto add = [&](PlannedTensor tensor, bool grows, bool ours) -> Status {
    const std::string name = tensor.name;
    if (!ours && (name == kMetadataKey || name == kChecksumTensorName)) {
      return invalid("the name is reserved").in_tensor(name);
    }
    Result<Slot> slot = make_slot(std::move(tensor), grows);
    if (!slot) return std::move(slot).error().in_tensor(name);
    slots.push_back(*std::move(slot));
    return {};
  };
  const uint64_t hashes = fixed.size() + growing.size() + 1;
  for (PlannedTensor& tensor : fixed) NWC_RETURN_IF_ERROR(add(std::move(tensor), false, false));
  if (checksums) NWC_RETURN_IF_ERROR(add({std::string(kChecksumTensorName), DType::kU64, {hashes}}, false, true));
  std::sort(slots.begin(), slots.end(), lies_before);
  for (std::string& name : growing) NWC_RETURN_IF_ERROR(add({std::move(name), DType::kU8, {0}}, true, false));

  uint64_t end = 0;
  for (Slot& slot : slots) {
    slot.begin = end;
    if (slot.size > kMaxFileBytes - end) {
      return Error(ErrorCode::kLimit, "the file would be larger than any file can be").in_tensor(slot.tensor.name);
    }
    end += slot.size;
  }
  return slots;
}

Result<std::string> metadata_object(std::map<std::string, std::string> metadata) {
  NWC_ASSIGN_OR_RETURN(const std::string format, json_quoted(metadata.try_emplace("format", "pt").first->second));
  metadata.erase("format");
  std::string text = R"({"format":)" + format;
  for (const auto& [key, value] : metadata) {
    NWC_ASSIGN_OR_RETURN(const std::string quoted_key, json_quoted(key));
    NWC_ASSIGN_OR_RETURN(const std::string quoted_value, json_quoted(value));
    text += "," + quoted_key + ":" + quoted_value;
  }
  return text + "}";
}

// The header's JSON. With `widest`, all numbers of growing tensors have as many digits as they can ever get.
std::string header_json(const std::string& metadata, const std::vector<Slot>& slots, bool widest) {
  std::string text = fmt::format(R"({{"{}":{})", kMetadataKey, metadata);
  for (const Slot& slot : slots) {
    const bool wide = widest && slot.growing;
    const uint64_t size = wide ? kMaxFileBytes : slot.size;
    const uint64_t begin = wide ? kMaxFileBytes : slot.begin;
    const uint64_t end = wide ? kMaxFileBytes : slot.begin + slot.size;
    const std::string shape =
        slot.growing ? fmt::to_string(size) : fmt::format("{}", fmt::join(slot.tensor.shape, ","));
    text += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", slot.quoted_name,
                        name_of(slot.tensor.dtype), shape, begin, end);
  }
  return text + "}";
}

}  // namespace

struct SafetensorsWriter::State {
  explicit State(OutputFile file) : out(std::move(file)) {}

  OutputFile out;
  std::string path;
  std::string metadata;                                  // as JSON
  std::vector<Slot> slots;                               // in the order of their data: fixed tensors, then growing ones
  std::unordered_map<std::string_view, size_t> by_name;  // keys point into `slots`
  size_t current = 0;                                    // the open growing tensor; slots.size() if there is none
  uint64_t header_size = 0;                              // length prefix included: where the data begins
  bool checksums = false;
  bool failed = false;  // after an I/O error the file's content is unknown
  bool finished = false;

  Status write(const std::string& name, uint64_t offset, std::span<const std::byte> bytes);
  Status append(const std::string& name, std::span<const std::byte> bytes);
  Status finish();

 private:
  Status check_usable() const;
  Result<size_t> find(const std::string& name, bool growing) const;
  Status put(Slot& slot, std::span<const std::byte> bytes);
  void close_growing(size_t next);
  Status put_checksums(std::string_view header);
};

Status SafetensorsWriter::State::check_usable() const {
  if (finished) return invalid("the file is finished");
  if (failed) return Error(ErrorCode::kIo, "an earlier write to this file failed");
  return {};
}

// The slot that may be written to under this name.
Result<size_t> SafetensorsWriter::State::find(const std::string& name, bool growing) const {
  NWC_RETURN_IF_ERROR(check_usable());
  const auto found = by_name.find(name);
  if (found == by_name.end() || name == kChecksumTensorName) {
    return invalid("was not announced when the file was created");
  }
  if (slots[found->second].growing != growing) {
    return invalid(growing ? "is a fixed tensor, which write() takes" : "is a growing tensor, which append() takes");
  }
  return found->second;
}

// Puts the next bytes of a slot into the file.
Status SafetensorsWriter::State::put(Slot& slot, std::span<const std::byte> bytes) {
  if (Status status = out.write_at(header_size + slot.begin + slot.written, bytes); !status) {
    failed = true;
    return status;
  }
  if (checksums) slot.streaming.update(bytes);
  slot.written += bytes.size();
  return {};
}

// Closes the growing tensors from the current one up to, not including, slots[next].
void SafetensorsWriter::State::close_growing(size_t next) {
  for (; current < next; ++current) {
    slots[current].hash = slots[current].streaming.take();
    if (current + 1 < slots.size()) slots[current + 1].begin = slots[current].begin + slots[current].size;
  }
}

Status SafetensorsWriter::State::put_checksums(std::string_view header) {
  std::vector<std::byte> hashes;
  Slot* own = nullptr;
  for (Slot& slot : slots) {
    if (slot.tensor.name == kChecksumTensorName) {
      own = &slot;
    } else {
      append_le(hashes, slot.hash);
    }
  }
  assert(own != nullptr);  // called with checksums only, whose tensor has a slot
  append_le(hashes, xxh3(header));
  return put(*own, hashes);
}

Status SafetensorsWriter::State::write(const std::string& name, uint64_t offset, std::span<const std::byte> bytes) {
  NWC_ASSIGN_OR_RETURN(const size_t index, find(name, /*growing=*/false));
  Slot& slot = slots[index];
  if (offset != slot.written) {
    return invalid(fmt::format("bytes at {} of the tensor do not follow the {} written so far", offset, slot.written));
  }
  if (bytes.size() > slot.size - slot.written) {
    return invalid(fmt::format("{} bytes at {} are too many for a tensor of {}", bytes.size(), offset, slot.size));
  }
  NWC_RETURN_IF_ERROR(put(slot, bytes));
  if (slot.written == slot.size && !bytes.empty()) slot.hash = slot.streaming.take();
  return {};
}

Status SafetensorsWriter::State::append(const std::string& name, std::span<const std::byte> bytes) {
  NWC_ASSIGN_OR_RETURN(const size_t index, find(name, /*growing=*/true));
  if (index < current) return invalid("was closed by an append() to a later tensor: append in the order announced");
  close_growing(index);
  Slot& slot = slots[index];
  const uint64_t used = header_size + slot.begin + slot.size;
  if (used > kMaxFileBytes || bytes.size() > kMaxFileBytes - used) {
    return Error(ErrorCode::kLimit, "the file would be larger than any file can be");
  }
  NWC_RETURN_IF_ERROR(put(slot, bytes));
  slot.size = slot.written;
  return {};
}

Status SafetensorsWriter::State::finish() {
  NWC_RETURN_IF_ERROR(check_usable());
  for (const Slot& slot : slots) {
    if (slot.written != slot.size && slot.tensor.name != kChecksumTensorName) {
      return invalid(fmt::format("only {} of its {} bytes were written", slot.written, slot.size))
          .in_tensor(slot.tensor.name);
    }
  }
  close_growing(slots.size());
  finished = true;

  std::string header(kLengthPrefixBytes, '\0');
  store_le<uint64_t>(reinterpret_cast<std::byte*>(header.data()), header_size - kLengthPrefixBytes);
  header += header_json(metadata, slots, /*widest=*/false);
  header.resize(header_size, ' ');
  if (checksums) NWC_RETURN_IF_ERROR(put_checksums(header));
  NWC_RETURN_IF_ERROR(out.write_at(0, as_bytes(header)));
  return out.commit();
}

SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter& SafetensorsWriter::operator=(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;

Result<SafetensorsWriter> SafetensorsWriter::create(const std::filesystem::path& path, std::vector<PlannedTensor> fixed,
                                                    std::vector<std::string> growing,
                                                    std::map<std::string, std::string> metadata, Options options) {
  const size_t growing_count = growing.size();
  Result<std::string> metadata_json = metadata_object(std::move(metadata));
  if (!metadata_json) return std::move(metadata_json).error().in_file(path.string());
  Result<std::vector<Slot>> slots = lay_out(std::move(fixed), std::move(growing), options.checksums);
  if (!slots) return std::move(slots).error().in_file(path.string());

  std::unordered_map<std::string_view, size_t> by_name;
  by_name.reserve(slots->size());
  for (size_t i = 0; i < slots->size(); ++i) {
    const std::string& name = (*slots)[i].tensor.name;
    if (!by_name.emplace(name, i).second) return invalid("occurs twice").in_file(path.string()).in_tensor(name);
  }
  const uint64_t text_size = header_json(*metadata_json, *slots, /*widest=*/true).size();
  const uint64_t header_size = kLengthPrefixBytes + (text_size + 7) / 8 * 8;
  if (header_size - kLengthPrefixBytes > limits::kMaxSafetensorsHeader || slots->size() > limits::kMaxTensors) {
    return Error(ErrorCode::kLimit,
                 fmt::format("{} tensors need a header of {} bytes; the limits are {} tensors and {} bytes",
                             slots->size(), header_size - kLengthPrefixBytes, limits::kMaxTensors,
                             limits::kMaxSafetensorsHeader))
        .in_file(path.string())
        .remedy("write more shards");
  }

  NWC_ASSIGN_OR_RETURN(OutputFile out, OutputFile::create(path));
  auto state = std::make_unique<State>(std::move(out));
  state->path = path.string();
  state->metadata = *std::move(metadata_json);
  state->slots = *std::move(slots);  // moving the vector leaves its elements, and so the keys of by_name, in place
  state->by_name = std::move(by_name);
  state->current = state->slots.size() - growing_count;
  state->header_size = header_size;
  state->checksums = options.checksums;
  for (Slot& slot : state->slots) {
    if (!slot.growing && slot.size == 0) slot.hash = slot.streaming.take();  // complete without a write()
  }
  return SafetensorsWriter(std::move(state));
}

Status SafetensorsWriter::write(const std::string& name, uint64_t offset, std::span<const std::byte> bytes) {
  Status status = state_->write(name, offset, bytes);
  return status ? Status() : std::move(status).error().in_file(state_->path).in_tensor(name);
}

Status SafetensorsWriter::append(const std::string& name, std::span<const std::byte> bytes) {
  Status status = state_->append(name, bytes);
  return status ? Status() : std::move(status).error().in_file(state_->path).in_tensor(name);
}

uint64_t SafetensorsWriter::data_bytes() const {
  uint64_t total = 0;
  for (const Slot& slot : state_->slots) total += slot.size;
  return total;
}

Status SafetensorsWriter::finish() {
  Status status = state_->finish();
  return status ? Status() : std::move(status).error().in_file(state_->path);
}

}  // namespace nwc
