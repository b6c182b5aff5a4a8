#include "conformance/mutation.h"

#include <xxhash.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc::testing {
namespace {

constexpr const char* kChecksums = "nwcodec.checksums";
constexpr const char* kCodec = "codec.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kStream = ".nwc_stream";

uint64_t xxh3(const std::string& bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string hex_id(uint64_t id) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id));
  return text;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

template <class T>
T number_at(const std::string& bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.substr(at, sizeof(T)).data(), sizeof(T));
  return value;
}

template <class T>
std::string bytes_of_number(T value) {
  return raw<T>({value});
}

template <class T>
void put_number(std::string& bytes, size_t at, T value) {
  bytes.replace(at, sizeof(T), bytes_of_number(value));
}

void put(std::string& bytes, uint64_t at, const std::string& value) {
  if (at > bytes.size() || value.size() > bytes.size() - at) throw std::runtime_error("nothing there to set");
  bytes.replace(at, value.size(), value);
}

void replace_text(std::string& text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("text not found: " + from);
  text.replace(at, from.size(), to);
}

}  // namespace

MutableCheckpoint::File MutableCheckpoint::parse(const std::string& bytes) {
  const uint64_t header_size = number_at<uint64_t>(bytes, 0);
  const auto header = nlohmann::ordered_json::parse(bytes.substr(8, header_size));
  File file;
  std::vector<std::pair<std::pair<uint64_t, uint64_t>, Tensor>> placed;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = value.get<std::map<std::string, std::string>>();
    } else if (name == kChecksums) {
      file.checksums = true;
    } else {
      const uint64_t begin = value.at("data_offsets")[0], end = value.at("data_offsets")[1];
      placed.push_back(
          {{begin, end},
           {name, value.at("dtype"), value.at("shape"), bytes.substr(8 + header_size + begin, end - begin), {}}});
    }
  }
  std::sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [place, tensor] : placed) {
    if (tensor.name.ends_with(kStream)) tensor.stream = take_apart(tensor.bytes);
    file.tensors.push_back(tensor);
  }
  return file;
}

MutableCheckpoint::Stream MutableCheckpoint::take_apart(const std::string& bytes) {
  const uint32_t tiles = number_at<uint32_t>(bytes, 80), own = number_at<uint32_t>(bytes, 84);
  Stream stream{bytes.substr(0, 96), bytes.substr(96, own), {}, {}, {}};
  size_t at = 96 + own + 8 * size_t{tiles};
  for (uint32_t t = 0; t < tiles; ++t) {
    const size_t entry = 96 + own + 8 * size_t{t};
    const uint32_t size = number_at<uint32_t>(bytes, entry);
    stream.tiles.push_back({bytes.substr(at, size), number_at<uint32_t>(bytes, entry + 4), {}});
    at += size;
  }
  return stream;
}

MutableCheckpoint::MutableCheckpoint(const std::filesystem::path& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string(), bytes = read_file(entry.path());
    if (name.ends_with(".safetensors")) {
      files_[name] = parse(bytes);
      if (name == kCodec) {
        codec_ = bytes;
        unchanged_codec_ = assemble(files_[name], {});
      }
    } else {
      texts_[name] = bytes;
    }
  }
}

MutableCheckpoint::Tensor& MutableCheckpoint::at(const std::string& name) {
  for (auto& [file_name, file] : files_) {
    for (Tensor& tensor : file.tensors) {
      if (tensor.name == name) return tensor;
    }
  }
  throw std::runtime_error("no tensor " + name);
}

MutableCheckpoint::Stream& MutableCheckpoint::stream(const std::string& name) {
  return at(name + kStream).stream.value();
}

MutableCheckpoint::Tile& MutableCheckpoint::tile(const nlohmann::json& mutation, const char* key) {
  return stream(mutation.at(key)).tiles.at(mutation.at("tile").get<size_t>());
}

void MutableCheckpoint::apply(const nlohmann::json& m) {
  const auto hex = [&] { return from_hex(m.at("hex")); };
  const auto file_of = [&](const std::string& key) -> File& { return files_.at(m.value(key, "model.safetensors")); };
  if (m.contains("set")) {
    Tensor& tensor = at(m.at("set"));
    put(tensor.stream ? tensor.stream->head : tensor.bytes, m.at("at"), hex());
  } else if (m.contains("resize")) {
    Tensor& tensor = at(m.at("resize"));
    tensor.stream.reset();  // from here on only bytes
    const size_t element = tensor.bytes.size() / tensor.shape.at(0);
    tensor.shape = {m.at("elements").get<uint64_t>()};
    tensor.bytes.resize(tensor.shape[0] * element);
  } else if (m.contains("type")) {
    Tensor& tensor = at(m.at("type"));
    tensor.dtype = m.value("dtype", tensor.dtype);
    tensor.shape = m.value("shape", tensor.shape);
  } else if (m.contains("remove")) {
    const std::string removed = m.at("remove");
    for (auto& [name, file] : files_)
      std::erase_if(file.tensors, [&](const Tensor& tensor) { return tensor.name == removed; });
  } else if (m.contains("add")) {
    file_of("file").tensors.push_back({m.at("add"), m.at("dtype"), m.at("shape"), hex(), {}});
  } else if (m.contains("move")) {
    const Tensor tensor = at(m.at("move"));
    for (auto& [name, file] : files_)
      std::erase_if(file.tensors, [&](const Tensor& t) { return t.name == tensor.name; });
    file_of("to").tensors.push_back(tensor);
  } else if (m.contains("swap")) {
    Tensor &a = at(m.at("swap")[0]), &b = at(m.at("swap")[1]);
    std::swap(a.bytes, b.bytes);
    std::swap(a.stream, b.stream);
  } else if (m.contains("own_tables")) {
    stream(m.at("own_tables")).own = hex();
  } else if (m.contains("set_section")) {
    put(stream(m.at("set_section")).own, m.at("at"), hex());
  } else if (m.contains("cut_section")) {
    stream(m.at("cut_section")).own.resize(m.at("size").get<size_t>());
  } else if (m.contains("append_section")) {
    stream(m.at("append_section")).own += hex();
  } else if (m.contains("declare")) {
    Stream& declaring = stream(m.at("declare"));
    if (m.contains("tiles")) declaring.declared_tiles = m.at("tiles").get<uint32_t>();
    if (m.contains("own_tables_size")) declaring.declared_own = m.at("own_tables_size").get<uint32_t>();
    if (m.contains("tile")) declaring.tiles.at(m.at("tile").get<size_t>()).declared_size = m.at("size").get<uint32_t>();
  } else if (m.contains("swap_tiles")) {
    Stream& swapping = stream(m.at("swap_tiles"));
    std::swap(swapping.tiles.at(m.at("tiles")[0].get<size_t>()), swapping.tiles.at(m.at("tiles")[1].get<size_t>()));
  } else if (m.contains("add_tile")) {
    stream(m.at("add_tile")).tiles.push_back({hex(), 0, {}});
  } else if (m.contains("remove_tile")) {
    stream(m.at("remove_tile")).tiles.pop_back();
  } else if (m.contains("set_tile")) {
    put(tile(m, "set_tile").bytes, m.at("at"), hex());
  } else if (m.contains("end_tile")) {  // other last bytes
    std::string& bytes = tile(m, "end_tile").bytes;
    bytes.resize(bytes.size() - m.value("drop", size_t{0}));
    bytes += from_hex(m.value("hex", ""));
  } else if (m.contains("cut_tile")) {
    tile(m, "cut_tile").bytes.resize(m.at("size").get<size_t>());
  } else if (m.contains("metadata")) {
    std::map<std::string, std::string>& metadata = file_of("file").metadata;
    if (m.contains("value")) metadata[m.at("metadata")] = m.at("value");
    if (!m.contains("value")) metadata.erase(m.at("metadata").get<std::string>());
  } else if (m.contains("checksums")) {
    const nlohmann::json& how = m.at("checksums");
    if (how == "none") file_of("file").checksums = false;
    if (how == "dtype") checksums_dtype_ = "I64";
    if (how == "longer") checksums_extra_ = 1;
    if (how == "shorter") checksums_extra_ = -1;
    if (how.is_number()) checksums_wrong_ = how.get<size_t>();
  } else if (m.contains("text")) {
    replace_text(texts_.at(m.at("text")), m.at("from"), m.at("to"));
  } else if (m.contains("write")) {
    texts_[m.at("write")] = m.at("content");
  } else if (m.contains("delete")) {
    if (texts_.erase(m.at("delete")) + files_.erase(m.at("delete")) == 0) throw std::runtime_error("no such file");
  } else if (m.contains("overwrite")) {
    cuts_.push_back({m.at("overwrite"), m.at("at"), hex()});
  } else if (m.contains("cut")) {
    cuts_.push_back({m.at("cut"), m.at("size"), {}});
  } else {
    throw std::runtime_error("unknown mutation " + m.dump());
  }
}

std::string MutableCheckpoint::assemble(const Tensor& tensor, const File& file, bool new_codec, uint64_t codec_id,
                                        const std::set<std::string>& keep) const {
  if (!tensor.stream) return tensor.bytes;
  const Stream& s = *tensor.stream;
  std::string head = s.head;
  if (new_codec && !keep.contains("codec")) put_number(head, 8, codec_id);
  const std::string name = tensor.name.substr(0, tensor.name.size() - std::string(kStream).size());
  for (const Tensor& side : file.tensors) {
    if (keep.contains("sides")) break;
    if (side.name == name + ".nwc_scales") put_number(head, 24, xxh3(side.bytes));
    if (side.name == name + ".nwc_levels" && (head[74] & 2) != 0) put_number(head, 32, xxh3(side.bytes));
  }
  put_number(head, 80, s.declared_tiles.value_or(static_cast<uint32_t>(s.tiles.size())));
  put_number(head, 84, s.declared_own.value_or(static_cast<uint32_t>(s.own.size())));
  std::string index, tiles;
  for (size_t t = 0; t < s.tiles.size(); ++t) {
    const Tile& tile = s.tiles[t];
    const uint64_t seed = number_at<uint64_t>(head, 16) + t;
    index += bytes_of_number(tile.declared_size.value_or(static_cast<uint32_t>(tile.bytes.size())));
    index += bytes_of_number(keep.contains("tiles") ? tile.checksum : static_cast<uint32_t>(xxh3(tile.bytes, seed)));
    tiles += tile.bytes;
  }
  const std::string rest = s.own + index + tiles;
  if (!keep.contains("head")) {  // over as much as the header declares, true or not
    const uint64_t covered = number_at<uint32_t>(head, 84) + 8 * uint64_t{number_at<uint32_t>(head, 80)};
    put_number(head, 88, xxh3(head.substr(0, 88) + rest.substr(0, covered)));
  }
  return head + rest;
}

std::string MutableCheckpoint::assemble(const File& file, const std::set<std::string>& keep) const {
  // Once for the header, whose hash is among the checksums, and once with them.
  std::string sums;
  for (const bool final : {false, true}) {
    SafetensorsBuilder builder;
    for (const auto& [key, value] : file.metadata) builder.metadata(key, value);
    for (const Tensor& tensor : file.tensors) builder.add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    if (!file.checksums) return builder.bytes();
    const size_t count = static_cast<size_t>(static_cast<int>(file.tensors.size()) + 1 + checksums_extra_);
    sums.resize(8 * count);
    builder.add(kChecksums, checksums_dtype_, {count}, sums);
    if (final) return builder.bytes();
    sums.clear();
    for (const Tensor& tensor : file.tensors) sums += bytes_of_number(xxh3(tensor.bytes));
    sums += bytes_of_number(xxh3(safetensors_bytes(builder.header())));
    if (keep.contains("shard")) sums.assign(sums.size(), '\0');
    if (checksums_wrong_) sums.at(8 * *checksums_wrong_) ^= 1;
  }
  return {};
}

void MutableCheckpoint::write(const std::filesystem::path& directory, const std::set<std::string>& keep) const {
  std::map<std::string, std::string> out = texts_;
  bool new_codec = false;
  uint64_t codec_id = 0;
  if (const auto codec = files_.find(kCodec); codec != files_.end()) {
    out[kCodec] = assemble(codec->second, keep);
    new_codec = out[kCodec] != unchanged_codec_;
    if (!new_codec) out[kCodec] = codec_;  // its writer may spell the header otherwise
    codec_id = xxh3(out[kCodec]);
  }
  nlohmann::json weight_map;
  for (const auto& [name, original] : files_) {
    if (name == kCodec) continue;
    File file = original;
    for (Tensor& tensor : file.tensors) {
      tensor.bytes = assemble(tensor, file, new_codec, codec_id, keep);
      if (tensor.stream && tensor.shape.size() == 1) tensor.shape = {tensor.bytes.size()};
      weight_map[tensor.name] = name;
    }
    out[name] = assemble(file, keep);
  }
  if (new_codec && !keep.contains("codec")) {
    if (const auto config = out.find("config.json"); config != out.end()) {
      const size_t at = config->second.find("\"codec_id\": \"");
      if (at != std::string::npos) config->second.replace(at + 13, 16, hex_id(codec_id));
    }
  }
  if (out.contains(kIndex) && !keep.contains("index"))
    out[kIndex] = nlohmann::json{{"metadata", nlohmann::json::object()}, {"weight_map", weight_map}}.dump();
  for (const Cut& cut : cuts_) {
    std::string& bytes = out.at(cut.file);
    if (cut.bytes) put(bytes, cut.at, *cut.bytes);
    if (!cut.bytes) bytes.resize(std::min<size_t>(bytes.size(), cut.at));
  }
  for (const auto& [name, bytes] : out) std::ofstream(directory / name, std::ios::binary) << bytes;
}

}  // namespace nwc::testing
