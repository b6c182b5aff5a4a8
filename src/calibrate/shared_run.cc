#include "calibrate/shared_run.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "libtorch/machine.h"
#include "team/texts.h"

namespace nwc {

Result<std::vector<ModelDevice>> devices_of(const CalibrateOptions& options) {
  std::vector<ModelDevice> devices{options.device};
  for (const ModelDevice device : options.more_devices) {
    if (machine_class(device) != machine_class(options.device)) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("the devices round differently: {} and {}",
                                                            machine_class(options.device), machine_class(device)))
          .remedy("choose devices of one kind");
    }
    devices.push_back(device);
  }
  return devices;
}

Result<std::optional<ResumableDirectory>> lock_output(const CalibrateOptions& options, const Team& team) {
  if (!team.leads()) return std::optional<ResumableDirectory>();
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(options.output, {options.model}, options.force));
  return std::optional(std::move(output));
}

Status begin_together(std::optional<ResumableDirectory>& output, const RunIdentity& identity, Team& team) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> identities, texts_of_all(identity.text(), team));
  const std::string difference = RunIdentity::difference(identities[0], identity.text());
  if (!difference.empty()) {
    return Error(ErrorCode::kMismatch, "rank 0 " + difference)
        .remedy("start all ranks with equal arguments, on machines of one class");
  }
  return output ? output->begin(identity) : Status();
}

Result<HessianFiles> open_together(std::optional<ResumableDirectory> output, size_t blocks, Json provenance, bool ends,
                                   Team& team) {
  std::vector<double> missing(blocks + 1, 0.0);
  std::optional<HessianFiles> files;
  if (output) {
    files = HessianFiles::open(*std::move(output), blocks, provenance, ends);
    for (size_t b = 0; b < blocks; ++b) missing[b] = files->is_missing(b) ? 1 : 0;
    missing[blocks] = files->ends_missing() ? 1 : 0;
  }
  NWC_RETURN_IF_ERROR(team.gather(missing));
  if (files) return *std::move(files);
  std::vector<bool> of_blocks;
  for (size_t b = 0; b < blocks; ++b) of_blocks.push_back(missing[b] != 0);
  return HessianFiles::beside(std::move(of_blocks), missing[blocks] != 0, std::move(provenance));
}

}  // namespace nwc
