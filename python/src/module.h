// The parts of the extension module, a file each.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "nwcodec/weights.h"

namespace nwc::python {

// What of a checkpoint Python opens. `layers`: 0 for all; `base`: empty for where a delta says.
inline WeightsOptions layers_of(unsigned layers, const std::string& base) {
  WeightsOptions options{.base = base};
  if (layers > 0) options.layers = layers;
  return options;
}

void bind_weights(nanobind::module_& module);
void bind_commands(nanobind::module_& module);
void bind_hessians(nanobind::module_& module);
void bind_cuda(nanobind::module_& module);

}  // namespace nwc::python
