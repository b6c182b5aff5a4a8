#include "conformance/reference_decoder.h"

#include <cstdio>
#include <set>
#include <stdexcept>
#include <utility>

#include "conformance/reference/bytes.h"
#include "conformance/reference/codec.h"
#include "conformance/reference/safetensors.h"
#include "conformance/reference/stream.h"
#include "conformance/reference/tensor.h"

namespace nwc::reference {

namespace {

std::vector<File> read_shards(const std::filesystem::path& directory) {
  std::vector<File> shards;
  const std::filesystem::path index = directory / "model.safetensors.index.json";
  if (!std::filesystem::exists(index)) {
    shards.push_back(parse_safetensors(read_file(directory / "model.safetensors")));
    check_shard(shards.back());
    return shards;
  }
  std::map<std::string, std::set<std::string>> wanted;
  const Json parsed = parse_json(read_file(index));
  for (const auto& [name, file] : parsed.at("weight_map").items()) {
    if (name != "nwcodec.checksums") wanted[file.get<std::string>()].insert(name);
  }
  for (const auto& [file, names] : wanted) {
    must(file.find('/') == std::string::npos, "index: " + file + " is no bare file name");
    shards.push_back(parse_safetensors(read_file(directory / file)));
    check_shard(shards.back());
    std::set<std::string> there;
    for (const auto& entry : shards.back().tensors) there.insert(entry.first);
    must(there == names, "index and shard " + file + " disagree");
  }
  return shards;
}

void check_config(const std::filesystem::path& path, uint64_t codec_id) {
  if (!std::filesystem::exists(path)) return;
  const Json config = parse_json(read_file(path));
  must(config.is_object(), "config: must be an object");
  if (!config.contains("quantization_config")) return;
  const Json& ours = config.at("quantization_config");
  must(ours.at("quant_method") == "nwcodec", "config: quant_method");
  const auto& version = ours.at("format_version");
  must(version == 1 || version == 2 || version == 3 || version == kVersion, "config: format version");
  char id[17];
  std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(codec_id));
  must(ours.at("codec_id") == id, "config: another codec");
}

bool cut_suffix(std::string& name, const std::string& suffix) {
  if (name.size() < suffix.size() || name.substr(name.size() - suffix.size()) != suffix) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

}  // namespace

std::map<std::string, Tensor> decode_checkpoint(const std::filesystem::path& directory) {
  const Codec codec = parse_codec(read_file(directory / "codec.safetensors"));
  check_config(directory / "config.json", codec.id);

  std::map<std::string, Tensor> result;
  const auto add = [&](const std::string& name, Tensor tensor) {
    must(result.emplace(name, std::move(tensor)).second, name + " is there twice");
  };
  std::set<std::string> stored_names;
  for (const File& shard : read_shards(directory)) {
    const auto find = [&](const std::string& name) {
      const auto found = shard.tensors.find(name);
      return found == shard.tensors.end() ? nullptr : &found->second;
    };
    for (const auto& [stored_name, tensor] : shard.tensors) {
      must(stored_names.insert(stored_name).second, stored_name + " is in two shards");
      std::string name = stored_name;
      if (cut_suffix(name, ".nwc_stream")) {
        must(tensor.dtype == "U8" && tensor.shape.size() == 1, stored_name + ": must be U8 [bytes]");
        const Stored* const scales = find(name + ".nwc_scales");
        must(scales != nullptr, name + ": has no scales");
        try {
          add(name, decode_tensor(codec, name, tensor.bytes, *scales, find(name + ".nwc_levels")));
        } catch (const std::runtime_error& e) {
          fail(name + ": " + e.what());
        }
      } else if (cut_suffix(name, ".nwc_scales") || cut_suffix(name, ".nwc_levels")) {
        must(find(name + ".nwc_stream") != nullptr, stored_name + ": has no stream");
      } else {
        add(name, {tensor.dtype, tensor.shape, tensor.bytes, false, {}});
      }
    }
  }
  return result;
}

}  // namespace nwc::reference
