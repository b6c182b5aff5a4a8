// Files of calibration (guide/hessian_file.h), written from arrays.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random_variates.h"
#include "errors.h"
#include "guide/drawn_sequences.h"
#include "guide/hessian_file.h"
#include "module.h"

namespace nb = nanobind;

namespace nwc::python {
namespace {

using Floats = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Tokens = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// What write_hessians() collects, tensor by tensor.
struct Collected {
  HessianFile file;

  // Square matrices [matrices, n, n], of which the lower triangles stay.
  static std::vector<float> triangles(const Floats& squares) {
    const size_t n = squares.ndim() == 3 ? squares.shape(1) : 0;
    if (squares.ndim() != 3 || squares.shape(2) != n)
      raise(Error(ErrorCode::kInvalidArgument, "second moments are not [matrices, n, n]"));
    std::vector<float> result;
    result.reserve(squares.shape(0) * (n * (n + 1) / 2));
    const float* row = squares.data();
    for (size_t m = 0; m < squares.shape(0); ++m) {
      for (size_t i = 0; i < n; ++i, row += n) result.insert(result.end(), row, row + i + 1);
    }
    return result;
  }

  size_t add_hessian(const Floats& squares, const Tokens& tokens) {
    StoredHessian hessian{.triangles = triangles(squares)};
    if (tokens.shape(0) != squares.shape(0))
      raise(Error(ErrorCode::kInvalidArgument, "as many token counts as matrices are wanted"));
    hessian.features = squares.shape(1);
    hessian.tokens.assign(tokens.data(), tokens.data() + tokens.size());
    file.hessians.push_back(std::move(hessian));
    return file.hessians.size() - 1;
  }
  size_t add_fisher(const Floats& inputs, const Floats& rows, const nb::object& outputs,
                    const std::vector<float>& effective) {
    StoredFisher fisher{.inputs = triangles(inputs)};
    if (rows.ndim() != 2 || rows.shape(0) != inputs.shape(0))
      raise(Error(ErrorCode::kInvalidArgument, "row moments are not [matrices, outputs]"));
    fisher.matrices = inputs.shape(0);
    fisher.features = inputs.shape(1);
    fisher.output_features = rows.shape(1);
    fisher.rows.assign(rows.data(), rows.data() + rows.size());
    if (effective.size() != fisher.matrices)
      raise(Error(ErrorCode::kInvalidArgument, "as many effective counts as matrices are wanted"));
    fisher.effective = effective;
    if (!outputs.is_none()) {
      const auto squares = nb::cast<Floats>(outputs);
      if (squares.ndim() != 3 || squares.shape(0) != inputs.shape(0) || squares.shape(1) != rows.shape(1))
        raise(Error(ErrorCode::kInvalidArgument, "second moments of outputs are not [matrices, outputs, outputs]"));
      fisher.outputs = triangles(squares);
    }
    file.fishers.push_back(std::move(fisher));
    return file.fishers.size() - 1;
  }
  void add_weight(const std::string& name, uint64_t hash, size_t hessian, const nb::object& fisher,
                  const nb::object& lookup, bool end) {
    HessianFile::Use use{.hessian = hessian, .weight_hash = hash, .end = end};
    if (!fisher.is_none()) use.fisher = nb::cast<size_t>(fisher);
    if (!lookup.is_none()) use.lookup = nb::cast<size_t>(lookup);
    const auto known = [](const std::optional<size_t>& number, size_t count) { return !number || *number < count; };
    if (hessian >= file.hessians.size() || !known(use.fisher, file.fishers.size()) ||
        !known(use.lookup, file.fishers.size()))
      raise(Error(ErrorCode::kInvalidArgument, "no moments of that number").in_tensor(name));
    file.weights[name] = use;
  }
  void write(const std::string& path, int64_t positions, const std::string& calibration) {
    file.positions = positions;
    file.calibration = value_of(parse_json(calibration));
    Status status;
    {
      const nb::gil_scoped_release unlocked;
      status = write_hessian_file(path, file);
    }
    check(status);
  }
};

}  // namespace

void bind_hessians(nb::module_& m) {
  nb::class_<Collected>(m, "HessianFile")
      .def(nb::init<>())
      .def("add_hessian", &Collected::add_hessian, nb::arg("squares"), nb::arg("tokens"))
      .def("add_fisher", &Collected::add_fisher, nb::arg("inputs"), nb::arg("rows"), nb::arg("outputs").none(),
           nb::arg("effective"))
      .def("add_weight", &Collected::add_weight, nb::arg("name"), nb::arg("hash"), nb::arg("hessian"),
           nb::arg("fisher").none(), nb::arg("lookup").none(), nb::arg("end"))
      .def("write", &Collected::write, nb::arg("path"), nb::arg("positions"), nb::arg("calibration"));
  m.def("hessian_file_name", &hessian_file_name, nb::arg("block"));
  m.attr("HESSIAN_ENDS_NAME") = kHessianEndsName;
  m.def(
      "draw_sequences",
      [](const Ids& ids, int64_t length, int64_t count, uint64_t seed) {
        return value_of(draw_sequences({ids.data(), ids.size()}, length, count, seed));
      },
      nb::arg("ids"), nb::arg("length"), nb::arg("count"), nb::arg("seed"));
  m.def(
      "label_quantiles",
      [](uint64_t seed, size_t batch, size_t count) {
        std::mt19937_64 random(seed_of_part(seed, batch));
        std::vector<double> quantiles(count);
        for (double& q : quantiles) q = uniform_variate(random);
        return quantiles;
      },
      nb::arg("seed"), nb::arg("batch"), nb::arg("count"));
  m.def("xxh3", [](const Bytes& bytes) {
    return xxh3(std::span(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  });
}

}  // namespace nwc::python
