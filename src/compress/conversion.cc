#include "compress/conversion.h"

#include <map>
#include <system_error>

#include "base/exceptions.h"
#include "checkpoint/content_hash.h"
#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "decode/layered_store.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

class ShardConverter {
 public:
  ShardConverter(const WeightStore& store, const ConvertOptions& options, const Progress& progress)
      : store_(store), options_(options), progress_(progress) {
    for (const auto& [name, weight] : store.weights()) total_ += weight.info.elements();
  }

  Status write(size_t shard, const fs::path& path) {
    const SafetensorsFile& file = store_.checkpoint().shards()[shard];
    std::map<std::string, const StoredWeight*> plain, streams;
    for (const auto& [name, weight] : store_.weights()) {
      if (weight.shard == shard) (weight.stream != nullptr ? streams : plain).emplace(name, &weight);
    }
    std::vector<PlannedTensor> fixed;
    std::vector<std::string> growing;
    for (const TensorView& tensor : file.tensors()) {
      if (tensor.name == kChecksumTensorName) continue;
      if (tensor.name.ends_with(kStreamSuffix)) {
        growing.push_back(tensor.name);
      } else {
        fixed.push_back({tensor.name, tensor.dtype, tensor.shape});
      }
    }
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::create(path, std::move(fixed), growing,
                                                                             file.metadata(), {.checksums = true}));
    for (const auto& [name, weight] : plain) {
      NWC_RETURN_IF_ERROR(store_.verify_plain(*weight));
      NWC_RETURN_IF_ERROR(copy(*weight, *weight->plain, file, writer));
      count(*weight);
    }
    for (const std::string& stream : growing) {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      const StoredWeight& weight =
          *streams.at(stream.substr(0, stream.size() - std::string_view(kStreamSuffix).size()));
      NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, store_.open_stream(weight));  // which checks what is copied
      NWC_RETURN_IF_ERROR(copy(weight, *weight.scales, file, writer));
      if (weight.levels != nullptr) NWC_RETURN_IF_ERROR(copy(weight, *weight.levels, file, writer));
      Result<std::vector<std::byte>> converted = retile(decoder, options_.layout, options_.threads);
      if (!converted) return store_.locate(std::move(converted).error(), weight, *weight.stream);
      NWC_RETURN_IF_ERROR(writer.append(stream, *converted));
      file.release(*weight.stream);
      count(weight);
    }
    return writer.finish();
  }

 private:
  Status copy(const StoredWeight& weight, const TensorView& tensor, const SafetensorsFile& file,
              SafetensorsWriter& writer) {
    NWC_RETURN_IF_ERROR(progress_.check_stop());
    if (Status status = writer.write(tensor.name, 0, tensor.bytes); !status)
      return std::move(status).error().in_tensor(weight.info.name);
    file.release(tensor);
    return {};
  }

  void count(const StoredWeight& weight) {
    done_ += weight.info.elements();
    progress_.at(done_, total_, weight.info.name);
  }

  const WeightStore& store_;
  const ConvertOptions& options_;
  const Progress& progress_;
  uint64_t done_ = 0, total_ = 0;
};

Result<RunIdentity> identity_of(const ConvertOptions& options, const Checkpoint& checkpoint) {
  RunIdentity identity("convert");
  identity.add("chunks per tile", std::to_string(options.layout.tile_chunks));
  identity.add("groups per run", std::to_string(options.layout.run_groups));
  NWC_RETURN_IF_ERROR(identity.add_file("codec", options.input / kCodecFileName));
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    identity.add_hash("weights " + shard.path().filename().string(), checksummed_content_hash(shard, options.threads));
  }
  return identity;
}

Result<ConvertReport> convert(const ConvertOptions& options, const Progress& progress) {
  NWC_RETURN_IF_ERROR(check_layout(options.layout));
  const ResumableDirectory::Request request{.path = options.output, .inputs = {options.input}, .force = options.force};
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, ResumableDirectory::lock(request));
  NWC_RETURN_IF_ERROR(check_one_layer(options.input));
  NWC_ASSIGN_OR_RETURN(const WeightStore store, WeightStore::open(options.input));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(options.input.string())
        .remedy("give what nwcodec compress wrote");
  }
  const Checkpoint& checkpoint = store.checkpoint();
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, checkpoint));
  NWC_RETURN_IF_ERROR(output.begin(identity));

  ConvertReport report;
  ShardConverter converter(store, options, progress);
  std::error_code ignored;
  WeightMap weight_map;
  uint64_t total_size = 0;
  for (size_t s = 0; s < checkpoint.shards().size(); ++s) {
    const fs::path& from = checkpoint.shards()[s].path();
    const std::string name = from.filename().string();
    const fs::path path = output.path() / name;
    if (!output.has_from_earlier_run(name)) {
      NWC_RETURN_IF_ERROR(converter.write(s, path));
      output.keep_progress();
    }
    report.input_bytes += fs::file_size(from, ignored);
    report.output_bytes += fs::file_size(path, ignored);
    NWC_ASSIGN_OR_RETURN(const SafetensorsFile written, SafetensorsFile::open(path));
    for (const TensorView& tensor : written.tensors()) {
      if (tensor.name != kChecksumTensorName) weight_map.emplace(tensor.name, name);
      total_size += tensor.bytes.size();
    }
  }
  for (const auto& [name, weight] : store.weights()) report.tensors += weight.stream != nullptr ? 1 : 0;
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(output.path(), total_size, weight_map));
  report.warnings = checkpoint.notes();
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped, copy_side_files(options.input, output.path(), {}));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  NWC_RETURN_IF_ERROR(copy_whole_file(options.input / kCodecFileName, output.path() / kCodecFileName));
  NWC_RETURN_IF_ERROR(output.finish());
  return report;
}

}  // namespace

Result<ConvertReport> convert_checkpoint(const ConvertOptions& options, const Progress& progress) {
  return catch_exceptions([&] { return convert(options, progress); });
}

}  // namespace nwc
