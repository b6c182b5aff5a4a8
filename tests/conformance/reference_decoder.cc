#include "conformance/reference_decoder.h"

#include <algorithm>
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
  must(version == 1 || version == 2 || version == 3 || version == 4 || version == kVersion, "config: format version");
  char id[17];
  std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(codec_id));
  must(ours.at("codec_id") == id, "config: another codec");
}

bool cut_suffix(std::string& name, const std::string& suffix) {
  if (name.size() < suffix.size() || name.substr(name.size() - suffix.size()) != suffix) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

// One directory.
struct Layer {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;  // section 9's keys
  bool is_difference() const { return metadata.count("nwcodec.difference") == 1; }
  bool is_delta() const { return is_difference() && metadata.at("nwcodec.difference") == "delta"; }
  uint64_t number() const {
    must(metadata.count("nwcodec.layer") == 1, "nwcodec.layer is missing");
    const std::string& text = metadata.at("nwcodec.layer");
    must(!text.empty() && text.size() <= 3 && text.find_first_not_of("0123456789") == std::string::npos &&
             text[0] != '0' && std::stoul(text) <= 255,
         "nwcodec.layer: 1 to 255");
    return std::stoul(text);
  }
};

Layer read_layer(const std::filesystem::path& directory) {
  Layer layer;
  const Codec codec = parse_codec(read_file(directory / "codec.safetensors"));
  check_config(directory / "config.json", codec.id);
  const auto add = [&](const std::string& name, Tensor tensor) {
    must(layer.tensors.emplace(name, std::move(tensor)).second, name + " is there twice");
  };
  std::set<std::string> stored_names;
  bool first = true;
  for (const File& shard : read_shards(directory)) {
    std::map<std::string, std::string> keys;
    for (const char* key : {"nwcodec.difference", "nwcodec.base", "nwcodec.layer", "nwcodec.base_path"}) {
      if (shard.metadata.count(key) == 1) keys[key] = shard.metadata.at(key);
    }
    must(first || keys == layer.metadata, "shards with different metadata");
    layer.metadata = keys;
    first = false;
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
        must(!layer.tensors.at(name).is_difference || layer.is_difference(), name + ": a difference from nothing");
      } else if (cut_suffix(name, ".nwc_scales") || cut_suffix(name, ".nwc_levels")) {
        must(find(name + ".nwc_stream") != nullptr, stored_name + ": has no stream");
      } else {
        Tensor plain{tensor.dtype, tensor.shape, tensor.bytes, false, {}};
        plain.identity = xxh3(tensor.bytes);
        add(name, std::move(plain));
      }
    }
  }
  if (layer.is_difference()) {
    const std::string& kind = layer.metadata.at("nwcodec.difference");
    must(kind == "refinement" || kind == "delta", "nwcodec.difference");
    layer.number();
  }
  return layer;
}

// Section 9: of all tensors together.
std::string identity_of(const std::map<std::string, Tensor>& tensors) {
  std::string bytes;
  for (const auto& [name, tensor] : tensors) {
    bytes += name + std::string(1, '\0');
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(tensor.identity >> (8 * i) & 255);
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(xxh3(bytes)));
  return text;
}

// Weights as F32: of a stream or of a plain tensor, and sums as they are.
std::vector<float> as_f32(const Tensor& tensor) {
  std::vector<float> values = tensor.values;
  if (tensor.is_sum) return values;
  if (!tensor.compressed) {
    must(tensor.dtype == "F32" || tensor.dtype == "F16" || tensor.dtype == "BF16", "a difference from no floats");
    Reader reader(tensor.bytes);
    while (reader.left() > 0) {
      const uint64_t bits = reader.uint(tensor.dtype == "F32" ? 4 : 2);
      values.push_back(tensor.dtype == "F16" ? static_cast<float>(f16_value(bits))
                                             : f32_from_bits(tensor.dtype == "F32" ? bits : bits << 16));
    }
    return values;
  }
  const float largest = f32_from_bits(0x7F7FFFFF);
  for (float& value : values) value = std::min(std::max(value, -largest), largest);
  return values;
}

void add_layer(std::map<std::string, Tensor>& below, const Layer& layer) {
  must(layer.metadata.count("nwcodec.base") == 1 && layer.metadata.at("nwcodec.base") == identity_of(below),
       "differences from another base");
  for (const auto& [name, tensor] : layer.tensors) {
    if (!tensor.is_difference) {
      must(layer.is_delta(), name + ": no difference, in a refinement");
      below[name] = tensor;
      continue;
    }
    must(below.count(name) == 1, name + ": a difference from nothing");
    Tensor& under = below.at(name);
    must(under.identity == tensor.base, name + ": a difference from another tensor");
    must(under.shape == tensor.shape, name + ": a difference from another shape");
    must(layer.is_delta() || under.compressed, name + ": refines a tensor that is not compressed");
    Tensor sum = tensor;
    sum.is_sum = true;
    sum.values = as_f32(under);
    const std::vector<float> added = as_f32(tensor);
    for (size_t i = 0; i < added.size(); ++i) sum.values[i] += added[i];
    sum.bytes = convert(sum.values, sum.dtype);
    under = sum;
  }
}

void add_refinements(std::map<std::string, Tensor>& tensors, const std::filesystem::path& directory, uint64_t layers) {
  for (uint64_t n = 1; layers == 0 || n < layers; ++n) {
    const std::filesystem::path folder = directory / ("refinement-" + std::to_string(n));
    if (!std::filesystem::is_directory(folder)) {
      must(layers == 0, "a layer that is asked for is missing");
      return;
    }
    const Layer layer = read_layer(folder);
    must(layer.is_difference() && !layer.is_delta() && layer.number() == n, "not this refinement");
    add_layer(tensors, layer);
  }
}

}  // namespace

std::map<std::string, Tensor> decode_checkpoint(const std::filesystem::path& directory, unsigned layers,
                                                const std::filesystem::path& base) {
  const Layer own = read_layer(directory);
  std::map<std::string, Tensor> tensors = own.tensors;
  if (own.is_difference()) {
    must(own.is_delta(), "a refinement by itself");
    const std::filesystem::path path = base.empty() ? directory / own.metadata.at("nwcodec.base_path") : base;
    const Layer first = read_layer(path);
    must(!first.is_difference(), "a base that is a difference");
    tensors = first.tensors;
    add_refinements(tensors, path, own.number());
    add_layer(tensors, own);
  }
  add_refinements(tensors, directory, layers);
  return tensors;
}

}  // namespace nwc::reference
