#include "compress/tensor_report.h"

#include "base/json_number.h"

namespace nwc {

CompressionTotals totals_of(std::span<const CompressedTensorReport> tensors) {
  CompressionTotals totals;
  EncodeStatistics& sum = totals.statistics;
  for (const CompressedTensorReport& t : tensors) {
    sum.weights += t.statistics.weights;
    sum.payload_bytes += t.statistics.payload_bytes;
    sum.table_bits += t.statistics.table_bits;
    sum.squared_error += t.statistics.squared_error;
    sum.squared_weight += t.statistics.squared_weight;
    sum.normalised_squared_error += t.statistics.normalised_squared_error;
    sum.weighted_error += t.statistics.weighted_error;
    sum.escapes += t.statistics.escapes;
    sum.patches += t.statistics.patches;
    totals.stream_bytes += t.stream_bytes;
    totals.side_bytes += t.side_bytes;
  }
  return totals;
}

Json to_json(const CompressedTensorReport& r) {
  const EncodeStatistics& s = r.statistics;
  Json json{{"name", r.name},
            {"shape", r.shape},
            {"weights", s.weights},
            {"payload_bytes", s.payload_bytes},
            {"table_bits", json_number(s.table_bits)},
            {"squared_error", json_number(s.squared_error)},
            {"squared_weight", json_number(s.squared_weight)},
            {"normalised_squared_error", json_number(s.normalised_squared_error)},
            {"weighted_error", json_number(s.weighted_error)},
            {"escapes", s.escapes},
            {"patches", s.patches},
            {"stream_bytes", r.stream_bytes},
            {"side_bytes", r.side_bytes},
            {"columns_per_level", r.columns_per_level},
            {"damping", json_number(r.notes.damping)},
            {"unseen_matrices", r.notes.unseen_matrices},
            {"seconds", json_number(r.seconds)}};
  if (r.recovery) {
    json["block_error"] = Json::array({json_number(r.recovery->error_before), json_number(r.recovery->error_after)});
  }
  return json;
}

Result<CompressedTensorReport> tensor_report_from(const Json& json) {
  try {
    CompressedTensorReport r;
    EncodeStatistics& s = r.statistics;
    json.at("name").get_to(r.name);
    json.at("shape").get_to(r.shape);
    json.at("weights").get_to(s.weights);
    json.at("payload_bytes").get_to(s.payload_bytes);
    json.at("escapes").get_to(s.escapes);
    json.at("patches").get_to(s.patches);
    json.at("stream_bytes").get_to(r.stream_bytes);
    json.at("side_bytes").get_to(r.side_bytes);
    json.at("columns_per_level").get_to(r.columns_per_level);
    json.at("unseen_matrices").get_to(r.notes.unseen_matrices);
    const std::pair<const char*, double*> numbers[] = {{"table_bits", &s.table_bits},
                                                       {"squared_error", &s.squared_error},
                                                       {"squared_weight", &s.squared_weight},
                                                       {"normalised_squared_error", &s.normalised_squared_error},
                                                       {"weighted_error", &s.weighted_error},
                                                       {"damping", &r.notes.damping},
                                                       {"seconds", &r.seconds}};
    for (const auto& [key, value] : numbers) {
      NWC_ASSIGN_OR_RETURN(*value, number_from(json.at(key)));
    }
    if (const auto error = json.find("block_error"); error != json.end()) {
      CompressedTensorReport::Recovery& recovery = r.recovery.emplace();
      NWC_ASSIGN_OR_RETURN(recovery.error_before, number_from(error->at(0)));
      NWC_ASSIGN_OR_RETURN(recovery.error_after, number_from(error->at(1)));
    }
    return r;
  } catch (const nlohmann::json::exception& e) {
    return Error(ErrorCode::kCorrupt, std::string("is no report of a tensor: ") + e.what());
  }
}

}  // namespace nwc
