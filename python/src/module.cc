#include "module.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "nwcodec/isa.h"
#include "nwcodec/version.h"

namespace nb = nanobind;

NB_MODULE(_nwcodec, m) {
  m.doc() = "The library behind the package nwcodec.";
  nb::set_leak_warnings(false);  // of objects that live until the interpreter ends
  m.attr("__version__") = NWCODEC_VERSION_STRING;
  m.def("instruction_sets", [] {
    std::vector<std::string> names;
    for (const nwc::Isa isa : nwc::available_isas()) names.emplace_back(name_of(isa));
    return names;
  });
  nwc::python::bind_weights(m);
  nwc::python::bind_commands(m);
  nwc::python::bind_hessians(m);
  nwc::python::bind_cuda(m);
}
