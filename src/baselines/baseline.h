// Published quantisers of whole matrices, to compare with: bodies of quantise/quantiser.h that have no stream. With a
// factor they run through the same feedback as our own; their bits are counted from what their published form stores.
// A new one is a file with a factory, a line in baseline.cc, and its name in CMakeLists.txt.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nwcodec/result.h"
#include "quantise/quantiser.h"
#include "weights/weight_matrix.h"

namespace nwc {

class Baseline : public Quantiser {
 public:
  // Bits of a matrix batch with all that decoding it needs.
  virtual double stored_bits(const WeightMatrix& weights) const = 0;

 protected:
  // `chunk_length`: rows that are quantised together.
  explicit Baseline(unsigned chunk_length) : Quantiser(chunk_length, 0) {}
};

// The numbers behind a baseline's name: "bits=4,group=128".
class BaselineParameters {
 public:
  static Result<BaselineParameters> parse(const std::string& text);
  // A whole number in [least, most]; `otherwise` if it is not given. Errors: kInvalidArgument naming it.
  Result<uint64_t> take(const std::string& name, uint64_t otherwise, uint64_t least, uint64_t most);
  // Errors: kInvalidArgument for what nobody took.
  Status check_all_taken() const;

 private:
  std::map<std::string, std::string> values_;
};

using BaselineFactory = Result<std::unique_ptr<const Baseline>>(BaselineParameters& parameters);

// "NAME" or "NAME:KEY=NUMBER,...". Errors: kInvalidArgument, with the names and keys there are.
Result<std::unique_ptr<const Baseline>> make_baseline(const std::string& method);
// A line for each: name, parameters, what it is.
std::vector<std::string> describe_baselines();

}  // namespace nwc
