// A safetensors file as docs/format.md, section 2, describes it.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace nwc::reference {

using Json = nlohmann::ordered_json;  // keeps the header's order of tensors

struct Stored {
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;
  std::string bytes;
};

struct File {
  std::map<std::string, Stored> tensors;
  std::map<std::string, std::string> metadata;
  std::string header;
  std::vector<std::string> order;  // names by offset
};

// No key may stand twice.
Json parse_json(const std::string& text);

// 0 for an empty product's factor of 0, whatever the others are.
uint64_t product(const std::vector<uint64_t>& factors);

File parse_safetensors(const std::string& bytes);

// A tensor that must be there, with that dtype and shape.
const Stored& get(const File& file, const std::string& name, std::string_view dtype,
                  const std::vector<uint64_t>& shape);

// Section 2: checks `nwcodec.checksums` and takes it out.
void check_shard(File& shard);

}  // namespace nwc::reference
