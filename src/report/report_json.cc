#include "report/report_json.h"

#include "base/json.h"
#include "compress/tensor_record.h"

namespace nwc {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Null where steps are not by sensitivity. Shares are of the tensors with a divergence.
Json felt_json(const std::optional<FeltTensor>& felt, const FeltSums& sums) {
  if (!felt) return nullptr;
  const bool known = felt->divergence.has_value();
  return {{"divergence", or_null(felt->divergence)},
          {"divergence_share", known && sums.divergence > 0 ? Json(*felt->divergence / sums.divergence) : Json()},
          {"expected_share", known && sums.expected > 0 ? Json(felt->expected / sums.expected) : Json()},
          {"column_octaves", spread_of(felt->column_octaves)},
          {"row_octaves", spread_of(felt->row_octaves)}};
}

Json felt_blocks_json(const CompressionReport& report) {
  Json blocks = Json::array();
  for (const FeltBlock& block : felt_blocks(report)) {
    blocks.push_back({{"block", block.depth >= 0 ? Json(block.depth) : Json()},
                      {"weights", block.weights},
                      {"bits_per_weight", block.bits_per_weight()},
                      {"divergence_share", block.divergence_share},
                      {"expected_share", block.expected_share}});
  }
  return blocks;
}

}  // namespace

std::string report_json(const CompressionReport& r) {
  Json tensors = Json::array(), stages = Json::array(), options = Json::object();
  const FeltSums sums = felt_sums(r);
  for (const ReportedTensor& t : r.tensors) {
    tensors.push_back(to_json(t.record));
    tensors.back()["sensitivity"] = felt_json(t.felt, sums);
  }
  for (const StageTime& s : r.stages) stages.push_back({{"name", s.name}, {"seconds", s.seconds}});
  for (const auto& [name, value] : r.options) options[name] = value;
  const Json json{{"schema", kRecordSchema},
                  {"nwcodec", r.version},
                  {"model", r.model},
                  {"model_type", r.model_type},
                  {"codec", r.codec},
                  {"gain", r.gain},
                  {"options", options},
                  {"weights", r.weights},
                  {"payload_bits_per_weight", r.payload_bits},
                  {"bits_per_weight", r.bits},
                  {"nmse", r.nmse},
                  {"hessian_weighted_error", or_null(r.hessian_error)},
                  {"plain_parameters", r.plain_parameters},
                  {"original_bytes", r.input_bytes},
                  {"file_bytes", r.output_bytes},
                  {"stages", stages},
                  {"warnings", r.warnings},
                  {"sensitivity_by_block", felt_blocks_json(r)},
                  {"tensors", tensors}};
  // Names of files need not be UTF-8 but JSON must.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace nwc
