#include "report/report_json.h"

#include "base/json.h"
#include "compress/tensor_record.h"

namespace nwc {
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::string report_json(const CompressionReport& r) {
  Json tensors = Json::array(), stages = Json::array(), options = Json::object();
  for (const ReportedTensor& t : r.tensors) tensors.push_back(to_json(t.record));
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
                  {"tensors", tensors}};
  // Names of files need not be UTF-8 but JSON must.
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace nwc
