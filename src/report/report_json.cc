#include "report/report_json.h"

#include "base/json.h"
#include "report/figures.h"

namespace nwc {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const ReportedTensor& t) {
  return {{"name", t.name},
          {"block", t.depth},
          {"type", t.type},
          {"shape", t.shape},
          {"weights", t.weights},
          {"payload_bits_per_weight", t.payload_bits},
          {"bits_per_weight", t.bits},
          {"nmse", t.nmse},
          {"hessian_weighted_error", or_null(t.hessian_error)},
          {"diagonal_error_correlation", or_null(diagonal_correlation(t))},
          {"columns_per_level", t.columns_per_level},
          {"own_tables", t.own_tables},
          {"patches", or_null(t.patches)},
          {"escapes", or_null(t.escapes)},
          {"damping", or_null(t.damping)},
          {"seconds", or_null(t.seconds)}};
}

}  // namespace

std::string report_json(const CompressionReport& r) {
  Json tensors = Json::array(), stages = Json::array(), options = Json::object();
  for (const ReportedTensor& t : r.tensors) tensors.push_back(to_json(t));
  for (const StageTime& s : r.stages) stages.push_back({{"name", s.name}, {"seconds", s.seconds}});
  for (const auto& [name, value] : r.options) options[name] = value;
  const Json json{{"nwcodec", r.version},
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
                  {"tensors", tensors}};
  // Names of files need not be UTF-8 but JSON must.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace nwc
