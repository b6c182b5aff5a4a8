#include "compress/tensor_record.h"

#include <utility>

#include "base/json_number.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

using Encoding = TensorRecord::Encoding;

Json or_null(const std::optional<double>& value) { return value ? json_number(*value) : Json(nullptr); }

Json nmse_of(const TensorRecord& r) {
  if (r.measured) return json_number(r.measured->nmse);
  if (!r.encoding) return nullptr;
  const EncodeStatistics& s = r.encoding->statistics;
  return json_number(s.squared_weight > 0 ? s.squared_error / s.squared_weight : 0.0);
}

constexpr std::pair<const char*, double EncodeStatistics::*> kSums[] = {
    {"squared_error", &EncodeStatistics::squared_error},
    {"squared_weight", &EncodeStatistics::squared_weight},
    {"normalised_squared_error", &EncodeStatistics::normalised_squared_error},
    {"weighted_error", &EncodeStatistics::weighted_error},
    {"table_bits", &EncodeStatistics::table_bits}};
constexpr std::pair<const char*, uint64_t EncodeStatistics::*> kCounts[] = {{"escapes", &EncodeStatistics::escapes},
                                                                            {"patches", &EncodeStatistics::patches}};

Result<Encoding> encoding_from(const Json& json, const TensorRecord& record) {
  Encoding e;
  e.statistics.weights = record.weights;
  e.statistics.payload_bytes = record.payload_bytes;
  for (const auto& [key, member] : kSums) {
    NWC_ASSIGN_OR_RETURN(e.statistics.*member, number_from(json.at(key)));
  }
  for (const auto& [key, member] : kCounts) json.at(key).get_to(e.statistics.*member);
  NWC_ASSIGN_OR_RETURN(e.notes.damping, number_from(json.at("damping")));
  json.at("unseen_matrices").get_to(e.notes.unseen_matrices);
  NWC_ASSIGN_OR_RETURN(e.seconds, number_from(json.at("seconds")));
  if (const Json& error = json.at("block_error"); !error.is_null()) {
    Encoding::Recovery& recovery = e.recovery.emplace();
    NWC_ASSIGN_OR_RETURN(recovery.error_before, number_from(error.at("before_recovery")));
    NWC_ASSIGN_OR_RETURN(recovery.error_after, number_from(error.at("after_recovery")));
  }
  return e;
}

}  // namespace

CompressionTotals totals_of(std::span<const TensorRecord> tensors) {
  CompressionTotals totals;
  EncodeStatistics& sum = totals.statistics;
  for (const TensorRecord& t : tensors) {
    if (!t.encoding) continue;
    const EncodeStatistics& s = t.encoding->statistics;
    sum.weights += s.weights;
    sum.payload_bytes += s.payload_bytes;
    for (const auto& [key, member] : kSums) sum.*member += s.*member;
    for (const auto& [key, member] : kCounts) sum.*member += s.*member;
    totals.side_bytes += t.side_bytes;
  }
  return totals;
}

Json to_json(const TensorRecord& r) {
  const TensorName name = TensorName::parse(r.name);
  Json json{{"name", r.name},
            {"dtype", name_of(r.dtype)},
            {"shape", r.shape},
            {"weights", r.weights},
            {"block", name.block ? Json(*name.block) : Json()},
            {"layer", name.layer},
            {"payload_bytes", r.payload_bytes},
            {"side_bytes", r.side_bytes},
            {"payload_bits_per_weight", r.payload_bits_per_weight()},
            {"bits_per_weight", r.bits_per_weight()},
            {"columns_per_level", r.columns_per_level},
            {"own_tables", r.own_tables},
            {"table_rule", r.table_rule},
            {"nmse", nmse_of(r)},
            {"worst_column_nmse", r.measured ? json_number(r.measured->worst_column_nmse) : Json()},
            {"hessian_weighted_error", r.measured ? or_null(r.measured->hessian_error) : Json()},
            {"diagonal_error_correlation", r.measured ? or_null(r.measured->diagonal_error_correlation) : Json()}};
  const Encoding* e = r.encoding ? &*r.encoding : nullptr;
  for (const auto& [key, member] : kSums) json[key] = e != nullptr ? json_number(e->statistics.*member) : Json();
  for (const auto& [key, member] : kCounts) json[key] = e != nullptr ? Json(e->statistics.*member) : Json();
  json["damping"] = e != nullptr ? json_number(e->notes.damping) : Json();
  json["unseen_matrices"] = e != nullptr ? Json(e->notes.unseen_matrices) : Json();
  json["seconds"] = e != nullptr ? json_number(e->seconds) : Json();
  json["block_error"] = Json();
  if (e != nullptr && e->recovery) {
    json["block_error"] = {{"before_recovery", json_number(e->recovery->error_before)},
                           {"after_recovery", json_number(e->recovery->error_after)}};
  }
  return json;
}

Result<TensorRecord> tensor_record_from(const Json& json) {
  const auto no_record = [](const std::string& why) { return Error(ErrorCode::kCorrupt, "is no record: " + why); };
  try {
    TensorRecord r;
    json.at("name").get_to(r.name);
    const std::optional<DType> dtype = dtype_from_name(json.at("dtype").get<std::string>());
    if (!dtype) return no_record("an unknown dtype");
    r.dtype = *dtype;
    json.at("shape").get_to(r.shape);
    json.at("weights").get_to(r.weights);
    json.at("payload_bytes").get_to(r.payload_bytes);
    json.at("side_bytes").get_to(r.side_bytes);
    json.at("columns_per_level").get_to(r.columns_per_level);
    json.at("own_tables").get_to(r.own_tables);
    json.at("table_rule").get_to(r.table_rule);
    if (!json.at("escapes").is_null()) {
      NWC_ASSIGN_OR_RETURN(r.encoding, encoding_from(json, r));
    }
    return r;
  } catch (const nlohmann::json::exception& e) {
    return no_record(e.what());
  }
}

}  // namespace nwc
