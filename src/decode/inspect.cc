#include "nwcodec/inspect.h"

#include "base/exceptions.h"
#include "base/hash.h"
#include "checkpoint/index.h"
#include "decode/weight_store.h"

namespace nwc {

namespace {

Result<CheckpointReport> inspect(const std::filesystem::path& directory, bool verify) {
  NWC_ASSIGN_OR_RETURN(const WeightStore store, WeightStore::open(directory));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(directory.string())
        .remedy("give what nwcodec compress wrote");
  }
  CheckpointReport report;
  report.codec_id = hex64(store.codec().id());
  for (const auto& [name, weight] : store.weights()) {
    report.original_bytes += weight.info.elements() * bits_of(weight.info.dtype) / 8;
    if (weight.stream == nullptr) {
      if (verify) NWC_RETURN_IF_ERROR(store.verify_plain(weight));
      ++report.plain_tensors;
      report.plain_parameters += weight.info.elements();
      report.plain_bytes += weight.plain->bytes.size();
      continue;
    }
    NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, store.open_stream(weight));
    if (verify) {
      if (Status status = decoder.verify(); !status)
        return store.locate(std::move(status).error(), weight, *weight.stream);
      NWC_RETURN_IF_ERROR(store.verify_stream(weight));
    }
    TensorReport tensor{
        .name = name, .dtype = weight.info.dtype, .shape = weight.info.shape, .weights = weight.info.elements()};
    tensor.columns_per_level = decoder.columns_per_level();
    tensor.payload_bytes = decoder.payload_bytes();
    tensor.side_bytes = weight.stream->bytes.size() - tensor.payload_bytes + weight.scales->bytes.size();
    if (weight.levels != nullptr) tensor.side_bytes += weight.levels->bytes.size();
    tensor.own_tables = decoder.header().has_own_tables;
    report.weights += tensor.weights;
    report.payload_bytes += tensor.payload_bytes;
    report.side_bytes += tensor.side_bytes;
    report.tensors.push_back(std::move(tensor));
    store.checkpoint().shards()[weight.shard].release(*weight.stream);
  }
  std::error_code ignored;
  report.codec_bytes = std::filesystem::file_size(directory / kCodecFileName, ignored);
  report.file_bytes = report.codec_bytes;
  for (const SafetensorsFile& shard : store.checkpoint().shards())
    report.file_bytes += std::filesystem::file_size(shard.path(), ignored);
  return report;
}

}  // namespace

Result<CheckpointReport> inspect_checkpoint(const std::filesystem::path& directory, bool verify) {
  return catch_exceptions([&] { return inspect(directory, verify); });
}

}  // namespace nwc
