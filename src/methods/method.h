// Published methods of compressing weights, as a comparison runs them: a model in, a checkpoint that any program can
// evaluate out, and the bits that the method's own form would take, with all that decoding needs.
//
// A new one is a file with a factory, its line in methods.cc, its name in CMakeLists.txt, and a test. What it derives
// from says what it wants to see:
//   MatrixMethod       a matrix with its Hessian                  (methods/input_groups.h)
//   InputGroupMethod   the matrices that share an input           (methods/input_groups.h)
//   Method             the model: its blocks, its other tensors, its Hessians and calibration sequences, forward
//                      passes (methods/method_model.h, methods/plain_output.h)
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "methods/method_parameters.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

class MethodModel;
class RunIdentity;

struct MethodContext {
  int threads = 1;                            // resolved
  std::string device = "cpu";                 // as open_device() takes it, for what runs models
  std::vector<std::filesystem::path> codecs;  // those that our own method may choose among
  const Progress& progress;
};

// Over all linear weights that were compressed.
struct MethodTotals {
  uint64_t weights = 0;
  double bits = 0;  // side information included
  // Of the decoded weights against the originals; none if the method changes what weights mean (rotations).
  double squared_error = 0, squared_weight = 0;
  double weighted_error = 0;            // sum of tr(E H E^T); 0 without Hessians
  std::vector<std::string> notes = {};  // what a reader of the figures should know

  double bits_per_weight() const { return weights > 0 ? bits / static_cast<double>(weights) : 0; }
  double relative_error() const { return squared_weight > 0 ? squared_error / squared_weight : 0; }
};

// Immutable.
class Method {
 public:
  virtual ~Method() = default;
  // Whether it cannot do without Hessians.
  virtual bool needs_hessians() const { return false; }
  // What decides about the result beside name, rate, model and Hessians: files that parameters name. Errors: of
  // reading.
  virtual Status identify(RunIdentity&) const { return {}; }
  // Writes a checkpoint to `output`, an absent or empty directory; a run that fails leaves nothing there. The same
  // bytes with any number of threads, but for what BLAS does. Errors: those of reading, of Hessians and of writing;
  // kUnsupported for a model that the method cannot treat.
  virtual Result<MethodTotals> run(const MethodModel& model, const std::filesystem::path& output,
                                   const MethodContext& context) const = 0;
};

// `bits`: per weight, the nominal rate. Errors: kInvalidArgument for parameters; kUnsupported, with the reason, for a
// rate at which the method is not defined.
using MethodFactory = Result<std::unique_ptr<const Method>>(MethodParameters& parameters, double bits);

// The rate as a whole number of bits in [least, most]. Errors: kUnsupported.
Result<unsigned> whole_bits(double bits, unsigned least, unsigned most);

}  // namespace nwc
