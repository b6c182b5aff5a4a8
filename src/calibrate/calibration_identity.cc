#include "calibrate/calibration_identity.h"

#include "libtorch/machine.h"

namespace nwc {

Status add_model(const std::filesystem::path& model, const Checkpoint& checkpoint, ModelDevice device, int threads,
                 RunIdentity& identity) {
  identity.add("machine", std::string_view(machine_class(device)));
  NWC_RETURN_IF_ERROR(identity.add_file("config.json", model / "config.json"));
  identity.add_weights("weights", checkpoint, threads);
  return {};
}

void add_gradients(const CalibrateOptions& options, RunIdentity& identity) {
  identity.add("gradients", options.gradients);
  identity.add("whole second moments of gradients", options.outputs);
}

void add_gradients(const CalibrateOptions& options, Json& provenance) {
  if (options.gradients) provenance["gradients"] = options.outputs ? "both sides" : "inputs and rows";
}

}  // namespace nwc
