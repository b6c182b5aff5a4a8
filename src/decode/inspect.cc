#include "nwcodec/inspect.h"

#include "base/exceptions.h"
#include "base/hash.h"
#include "checkpoint/index.h"
#include "decode/layered_store.h"

namespace nwc {

namespace {

// Adds what one layer has of a compressed tensor.
Status add_part(const WeightStore& layer, const StoredWeight& stored, bool verify, TensorReport& tensor,
                LayerReport& sums) {
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder, layer.open_stream(stored));
  if (verify) {
    if (Status status = decoder.verify(); !status)
      return layer.locate(std::move(status).error(), stored, *stored.stream);
    NWC_RETURN_IF_ERROR(layer.verify_stream(stored));
  }
  if (tensor.columns_per_level.empty()) tensor.columns_per_level = decoder.columns_per_level();
  const uint64_t payload = decoder.payload_bytes();
  uint64_t side = stored.stream->bytes.size() - payload + stored.scales->bytes.size();
  if (stored.levels != nullptr) side += stored.levels->bytes.size();
  tensor.payload_bytes += payload;
  tensor.side_bytes += side;
  tensor.own_tables = tensor.own_tables || decoder.header().has_own_tables;
  tensor.table_rule = static_cast<unsigned>(decoder.header().context_rule);
  ++sums.tensors;
  sums.payload_bytes += payload;
  sums.side_bytes += side;
  layer.checkpoint().shards()[stored.shard].release(*stored.stream);
  return {};
}

LayerReport files_of(const WeightStore& layer, const std::filesystem::path& directory) {
  const std::filesystem::path& own = layer.checkpoint().directory();
  LayerReport report{.folder = own == directory ? "" : own.filename().string(), .codec_id = hex64(layer.codec().id())};
  std::error_code ignored;
  report.codec_bytes = std::filesystem::file_size(own / kCodecFileName, ignored);
  report.file_bytes = report.codec_bytes;
  for (const SafetensorsFile& shard : layer.checkpoint().shards())
    report.file_bytes += std::filesystem::file_size(shard.path(), ignored);
  return report;
}

// A delta's base is checked, and not counted.
Status verify_base(const LayeredStore& store) {
  for (size_t l = 0; l < store.first_own(); ++l) {
    const WeightStore& layer = store.layers()[l];
    for (const auto& [name, stored] : layer.weights()) {
      TensorReport tensor{};
      LayerReport sums;
      NWC_RETURN_IF_ERROR(stored.stream != nullptr ? add_part(layer, stored, true, tensor, sums)
                                                   : layer.verify_plain(stored));
    }
  }
  return {};
}

Result<CheckpointReport> inspect(const std::filesystem::path& directory, bool verify, const WeightsOptions& options) {
  NWC_ASSIGN_OR_RETURN(const LayeredStore store, LayeredStore::open(directory, options));
  if (!store.is_compressed()) {
    return Error(ErrorCode::kInvalidArgument, "is not a checkpoint compressed by nwcodec")
        .in_file(directory.string())
        .remedy("give what nwcodec compress wrote");
  }
  CheckpointReport report;
  report.warnings = notes_of(store);
  const size_t first = store.first_own();
  report.codec_id = hex64(store.layers()[first].codec().id());
  if (first > 0) report.base = store.layers()[0].checkpoint().directory().string();
  for (size_t l = first; l < store.layers().size(); ++l)
    report.layers.push_back(files_of(store.layers()[l], directory));
  if (verify) NWC_RETURN_IF_ERROR(verify_base(store));
  for (const auto& [name, weight] : store.weights()) {
    report.original_bytes += weight.info.elements() * bits_of(weight.info.dtype) / 8;
    const LayeredWeight::Part& last = weight.last();
    if (last.layer < first) {
      ++report.unchanged_tensors;
      report.unchanged_parameters += weight.info.elements();
      continue;
    }
    if (last.stored->stream == nullptr) {
      if (verify) NWC_RETURN_IF_ERROR(store.layers()[last.layer].verify_plain(*last.stored));
      ++report.plain_tensors;
      report.plain_parameters += weight.info.elements();
      report.plain_bytes += last.stored->plain->bytes.size();
      continue;
    }
    TensorReport tensor{
        .name = name, .dtype = weight.info.dtype, .shape = weight.info.shape, .weights = weight.info.elements()};
    for (const LayeredWeight::Part& part : weight.parts) {
      if (part.layer < first) continue;
      NWC_RETURN_IF_ERROR(
          add_part(store.layers()[part.layer], *part.stored, verify, tensor, report.layers[part.layer - first]));
    }
    report.weights += tensor.weights;
    report.payload_bytes += tensor.payload_bytes;
    report.side_bytes += tensor.side_bytes;
    report.tensors.push_back(std::move(tensor));
  }
  for (const LayerReport& layer : report.layers) {
    report.codec_bytes += layer.codec_bytes;
    report.file_bytes += layer.file_bytes;
  }
  return report;
}

}  // namespace

Result<CheckpointReport> inspect_checkpoint(const std::filesystem::path& directory, bool verify,
                                            const WeightsOptions& options) {
  return catch_exceptions([&] { return inspect(directory, verify, options); });
}

}  // namespace nwc
