// Makes the bytes of safetensors files for tests, sound ones and broken ones. Independent of the code under test: it
// knows nothing of SafetensorsWriter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nwc::testing {

// A file of any header text and any data, without a check: the length prefix, the text, the data.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = {}) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return file.append(header).append(data);
}

// A sound file: tensors stand in the order of the calls, each right after the one before.
//
//   const std::string file = SafetensorsBuilder().add("w", "F32", {2, 2}, raw<float>({1, 2, 3, 4})).bytes();
class SafetensorsBuilder {
 public:
  // `data` must be as long as `dtype` and `shape` say; `name` must need no JSON escapes.
  SafetensorsBuilder& add(const std::string& name, const std::string& dtype, const std::vector<uint64_t>& shape,
                          std::string_view data) {
    std::string dims;
    for (const uint64_t dim : shape) dims.append(dims.empty() ? "" : ",").append(std::to_string(dim));
    entries_ += (entries_.empty() ? "\"" : ",\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + dims +
                "],\"data_offsets\":[" + std::to_string(data_.size()) + "," +
                std::to_string(data_.size() + data.size()) + "]}";
    data_ += data;
    return *this;
  }
  SafetensorsBuilder& metadata(const std::string& key, const std::string& value) {
    metadata_[key] = value;
    return *this;
  }

  // The header's JSON, padded with spaces to a multiple of 8 bytes.
  std::string header() const {
    std::string text = "{";
    if (!metadata_.empty()) {
      std::string pairs;
      for (const auto& [key, value] : metadata_) pairs += (pairs.empty() ? "\"" : ",\"") + key + "\":\"" + value + "\"";
      text += "\"__metadata__\":{" + pairs + (entries_.empty() ? "}" : "},");
    }
    text += entries_ + "}";
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  }
  std::string bytes() const { return safetensors_bytes(header(), data_); }

 private:
  std::map<std::string, std::string> metadata_;
  std::string entries_, data_;
};

// The memory of numbers, as a tensor's data.
template <class T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace nwc::testing
