// `model.safetensors.index.json`: which shard of a checkpoint holds which tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc {

// Names that a checkpoint directory gives its weights.
inline constexpr std::string_view kIndexFileName = "model.safetensors.index.json";
inline constexpr std::string_view kSingleFileName = "model.safetensors";
// The decoder network and tables of a compressed checkpoint: in the directory, but never a shard.
inline constexpr std::string_view kCodecFileName = "codec.safetensors";

// "model-00002-of-00007.safetensors"; `number` counts from 1, both are at most limits::kMaxShards.
std::string shard_file_name(size_t number, size_t count);

// Tensor name to shard file name, in the order of the tensor names.
using WeightMap = std::map<std::string, std::string>;

// Reads an index. Every shard name in the result is a bare file name that ends in ".safetensors", so that joining it to
// the directory stays in the directory.
// Errors: kNotFound, kIo, kLimit; kCorrupt for what is not an index or names a file that is no bare name (the error
// names the tensor); kUnsupported for shards of another format (.bin).
Result<WeightMap> read_index(const std::filesystem::path& path);

// Writes `directory`/model.safetensors.index.json, atomically. `total_size` is the bytes of tensor data over all
// shards, headers not counted. Equal arguments write equal bytes. Errors: kIo; kInvalidArgument for a map that
// read_index would refuse.
Status write_index(const std::filesystem::path& directory, uint64_t total_size, const WeightMap& weight_map);

}  // namespace nwc
