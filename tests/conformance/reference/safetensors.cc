#include "conformance/reference/safetensors.h"

#include <algorithm>
#include <set>

#include "conformance/reference/bytes.h"

namespace nwc::reference {

namespace {

unsigned bits_of(const std::string& dtype) {
  static const std::map<std::string, unsigned> kBits = {
      {"F64", 64},    {"F32", 32},    {"F16", 16},    {"BF16", 16}, {"I64", 64},    {"I32", 32},   {"I16", 16},
      {"I8", 8},      {"U64", 64},    {"U32", 32},    {"U16", 16},  {"U8", 8},      {"BOOL", 8},   {"F4", 4},
      {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"C64", 64},  {"F6_E2M3", 6}, {"F6_E3M2", 6}};
  const auto found = kBits.find(dtype);
  must(found != kBits.end(), "unknown dtype " + dtype);
  return found->second;
}

}  // namespace

Json parse_json(const std::string& text) {
  std::vector<std::set<std::string>> keys;
  const auto no_duplicates = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key) {
      must(keys.back().insert(value.get<std::string>()).second, "a JSON key stands twice");
    }
    return true;
  };
  return Json::parse(text, no_duplicates);
}

uint64_t product(const std::vector<uint64_t>& factors) {
  if (std::count(factors.begin(), factors.end(), 0u) > 0) return 0;
  uint64_t result = 1;
  for (const uint64_t f : factors) must(!__builtin_mul_overflow(result, f, &result), "a shape is too large");
  return result;
}

File parse_safetensors(const std::string& bytes) {
  Reader reader(bytes);
  const uint64_t header_size = reader.uint(8);
  must(header_size <= 100'000'000, "the header is too long");
  const std::string text = reader.take(header_size);
  must(!text.empty() && text[0] == '{', "the header must begin with {");
  const std::string data = reader.take(reader.left());
  File file;
  file.header = bytes.substr(0, 8 + header_size);
  const Json header = parse_json(text);
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, entry] : value.items()) file.metadata[key] = entry.get<std::string>();
      continue;
    }
    must(value.size() == 3, name + ": exactly dtype, shape and data_offsets");
    Stored tensor;
    tensor.dtype = value.at("dtype").get<std::string>();
    for (const Json& dim : value.at("shape")) {
      must(dim.is_number_unsigned(), name + ": a dimension must be a whole number");
      tensor.shape.push_back(dim.get<uint64_t>());
    }
    const Json& offsets = value.at("data_offsets");
    must(offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned(), name + ": offsets");
    tensor.begin = offsets[0].get<uint64_t>();
    tensor.end = offsets[1].get<uint64_t>();
    must(tensor.begin <= tensor.end && tensor.end <= data.size(), name + ": outside the file");
    uint64_t bits = product(tensor.shape);
    must(!__builtin_mul_overflow(bits, bits_of(tensor.dtype), &bits), name + ": the shape is too large");
    must(bits % 8 == 0 && bits / 8 == tensor.end - tensor.begin, name + ": shape and offsets disagree");
    tensor.bytes = data.substr(tensor.begin, tensor.end - tensor.begin);
    file.order.push_back(name);
    file.tensors[name] = tensor;
  }
  std::stable_sort(file.order.begin(), file.order.end(), [&](const std::string& a, const std::string& b) {
    const Stored &x = file.tensors.at(a), &y = file.tensors.at(b);
    return x.begin != y.begin ? x.begin < y.begin : x.end < y.end;
  });
  uint64_t end = 0;
  for (const std::string& name : file.order) {
    must(file.tensors.at(name).begin == end, name + ": overlap or hole");
    end = file.tensors.at(name).end;
  }
  must(end == data.size(), "bytes after the last tensor");
  return file;
}

const Stored& get(const File& file, const std::string& name, std::string_view dtype,
                  const std::vector<uint64_t>& shape) {
  const auto found = file.tensors.find(name);
  must(found != file.tensors.end(), "tensor " + name + " is missing");
  must(found->second.dtype == dtype && found->second.shape == shape, "tensor " + name + " has another dtype or shape");
  return found->second;
}

void check_shard(File& shard) {
  const std::string name = "nwcodec.checksums";
  const uint64_t others = shard.tensors.size() - shard.tensors.count(name);
  const std::string sums = get(shard, name, "U64", {others + 1}).bytes;
  Reader reader(sums);
  for (const std::string& other : shard.order) {
    if (other != name) must(reader.uint(8) == xxh3(shard.tensors.at(other).bytes), other + ": checksum");
  }
  must(reader.uint(8) == xxh3(shard.header), "checksum of the header");
  shard.tensors.erase(name);
}

}  // namespace nwc::reference
