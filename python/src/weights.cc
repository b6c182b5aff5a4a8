// nwcodec/weights.h for Python.
#include "nwcodec/weights.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "errors.h"
#include "module.h"
#include "nwcodec/cuda_checkpoint.h"

namespace nb = nanobind;

namespace nwc::python {
namespace {

using Bytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

DType dtype_of(const std::string& name) {
  const std::optional<DType> dtype = dtype_from_name(name);
  if (!dtype) raise(Error(ErrorCode::kInvalidArgument, "'" + name + "' is no dtype of safetensors"));
  return *dtype;
}

Weights open(const std::string& directory, const std::string& device, unsigned layers, const std::string& base) {
  return run_long<Weights>(nb::none(), [&](const Progress&) -> Result<Weights> {
    WeightsOptions options = layers_of(layers, base);
    if (device != "cpu") {
      NWC_ASSIGN_OR_RETURN(options.backend, cuda_decode_backend(device, directory));
    }
    return Weights::open(directory, options);
  });
}

nb::list list(const Weights& weights) {
  nb::list result;
  for (const WeightInfo& w : weights.list())
    result.append(nb::make_tuple(w.name, std::string(name_of(w.dtype)), nb::tuple(nb::cast(w.shape)), w.compressed));
  return result;
}

void read(const Weights& weights, const std::string& name, const std::string& dtype, const Bytes& out, uint64_t matrix,
          uint64_t row_begin, uint64_t row_end, uint64_t column_begin, uint64_t column_end, bool whole, int threads) {
  const DType to = dtype_of(dtype);
  const std::span<std::byte> bytes(reinterpret_cast<std::byte*>(out.data()), out.nbytes());
  Status status;
  {
    const nb::gil_scoped_release unlocked;
    status = whole ? weights.read(name, to, bytes, threads)
                   : weights.read(name, {matrix, row_begin, row_end, column_begin, column_end}, to, bytes, threads);
  }
  check(status);
}

}  // namespace

void bind_weights(nb::module_& m) {
  nb::class_<Weights>(m, "Weights")
      .def_static("open", &open, nb::arg("directory"), nb::arg("device"), nb::arg("layers") = 0, nb::arg("base") = "")
      .def_prop_ro("directory", [](const Weights& w) { return w.directory().string(); })
      .def_prop_ro("is_compressed", &Weights::is_compressed)
      .def_prop_ro("files",
                   [](const Weights& w) {
                     std::vector<std::string> names;
                     for (const std::filesystem::path& file : w.files()) names.push_back(file.filename().string());
                     return names;
                   })
      .def_prop_ro("warnings", &Weights::warnings)
      .def("list", &list)
      .def("read", &read, nb::arg("name"), nb::arg("dtype"), nb::arg("out").noconvert(), nb::arg("matrix"),
           nb::arg("row_begin"), nb::arg("row_end"), nb::arg("column_begin"), nb::arg("column_end"), nb::arg("whole"),
           nb::arg("threads"));
}

}  // namespace nwc::python
