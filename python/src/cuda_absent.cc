#include <nanobind/nanobind.h>

#include "module.h"

namespace nwc::python {

void bind_cuda(nanobind::module_& m) {
  m.def("cuda_device_count", [] { return 0; });
}

}  // namespace nwc::python
