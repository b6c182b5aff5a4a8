// The parts of the extension module, a file each.
#pragma once

#include <nanobind/nanobind.h>

namespace nwc::python {

void bind_weights(nanobind::module_& module);
void bind_commands(nanobind::module_& module);
void bind_hessians(nanobind::module_& module);
void bind_cuda(nanobind::module_& module);

}  // namespace nwc::python
