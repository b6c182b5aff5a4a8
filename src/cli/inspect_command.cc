#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/layer_options.h"
#include "cli/quality_record.h"
#include "cli/size_report.h"
#include "compress/tensor_record.h"
#include "nwcodec/inspect.h"

namespace nwc::cli {
namespace {

Json to_json(const CheckpointReport& report) {
  Json tensors = Json::array();
  for (const TensorReport& tensor : report.tensors) tensors.push_back(nwc::to_json(TensorRecord{tensor}));
  Json json{{"schema", kRecordSchema}, {"tensors", tensors}};
  json.update(sizes_json(report));
  return json;
}

}  // namespace

void add_inspect(CLI::App& app, Command& command) {
  struct Arguments {
    std::filesystem::path directory;
    bool verify = false;
    LayerOptions layers;
  };
  const auto a = std::make_shared<Arguments>();
  app.add_option("checkpoint", a->directory, "Compressed checkpoint directory")->required()->check(not_empty());
  app.add_flag("--verify", a->verify, "Also check every byte against its checksum");
  add_layer_options(app, a->layers);
  add_global_options(app, command);
  command.run = [a, &command]() -> Status {
    NWC_ASSIGN_OR_RETURN(
        const CheckpointReport report,
        inspect_checkpoint(a->directory, a->verify, {.layers = a->layers.layers, .base = a->layers.base}));
    NWC_ASSIGN_OR_RETURN(const std::optional<MeasuredQuality> recorded, read_measured_quality(a->directory));
    const std::optional<MeasuredQuality> measured = recorded ? recorded->of_layers(report.layers.size()) : std::nullopt;
    if (command.global.json) {
      Json json = to_json(report);
      json["measured"] = measured ? to_json(*measured) : Json();
      print_json(json);
    } else {
      print_warnings(report, command.global.quiet);
      print_sizes(report);
      if (measured) print_quality(*measured);
    }
    return {};
  };
}

}  // namespace nwc::cli
