// Methods that compress one matrix after another, or the matrices that see the same inputs together.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "guide/guide.h"
#include "methods/method.h"
#include "methods/method_model.h"
#include "methods/plain_output.h"

namespace nwc {

// One matrix [rows = outputs, columns = inputs].
struct MatrixTask {
  const WeightMatrix& tensor;  // which it is one of
  uint64_t matrix = 0;         // which one
  uint64_t rows = 0, columns = 0;
  std::vector<float> weights;  // [rows][columns]
  uint64_t seed = 0;           // for random numbers: another for every matrix, the same in every run

  std::span<const float> row(uint64_t r) const { return {weights.data() + r * columns, columns}; }
};

// Matrices that see the same inputs: q, k and v of a block, gate and up. Of fused experts, those of one expert.
// Without Hessians each matrix is a group of its own, since nothing says what it sees.
struct InputGroup {
  const WorkItem* block = nullptr;  // that they stand in
  std::vector<MatrixTask> matrices;
  std::optional<HessianView> hessian;  // mean of x x^T
  int threads = 1;                     // for work inside the group
};

struct QuantisedMatrix {
  std::vector<float> decoded;  // [rows][columns]
  double bits = 0;             // of the matrix, side information included
};

// Calls body(group) for all matrices of the model, several groups at once as far as memory allows. BLAS has one thread
// in there. Errors: of loading; the body's; kInterrupted.
Status for_each_input_group(const MethodModel& model, const MethodContext& context,
                            const std::function<Status(const InputGroup&)>& body);

// Collects the matrices of a model as they become known. Thread safety: add() may be called from several threads.
class MatrixCollector {
 public:
  static Result<MatrixCollector> create(const MethodModel& model, const std::filesystem::path& output);
  // Errors are measured against task.weights, with `hessian` if there is one.
  Status add(const MatrixTask& task, const HessianView* hessian, QuantisedMatrix matrix);
  Result<MethodTotals> finish();

 private:
  struct Sums {
    double bits = 0, squared_error = 0, squared_weight = 0, weighted_error = 0;
  };
  struct Pending {
    std::vector<float> values;  // in storage order
    std::vector<Sums> sums;     // of each matrix, added in order
    uint64_t missing = 0, weights = 0;
  };
  explicit MatrixCollector(PlainOutput output) : output_(std::move(output)) {}
  PlainOutput output_;
  std::map<std::string, Pending> tensors_;
  std::unique_ptr<std::mutex> adding_ = std::make_unique<std::mutex>();
};

// tr(E H E^T) of a matrix of errors [rows][columns].
double weighted_error(std::span<const float> errors, uint64_t rows, const HessianView& hessian);

// Implements run() for a method that sees groups.
class InputGroupMethod : public Method {
 public:
  Result<MethodTotals> run(const MethodModel& model, const std::filesystem::path& output,
                           const MethodContext& context) const final;
  // One for each of the group's matrices. Called from several threads at once.
  virtual Result<std::vector<QuantisedMatrix>> quantise(const InputGroup& group) const = 0;
  // Of what all matrices share: a codebook.
  virtual double shared_bits() const { return 0; }

 protected:
  // What a reader of the figures should know.
  virtual std::vector<std::string> notes() const { return {}; }
};

// The same for a method that sees single matrices.
class MatrixMethod : public InputGroupMethod {
 public:
  Result<std::vector<QuantisedMatrix>> quantise(const InputGroup& group) const final;
  // `hessian`: null without. `threads`: for work inside the matrix.
  virtual Result<QuantisedMatrix> quantise_matrix(const MatrixTask& task, const HessianView* hessian,
                                                  int threads) const = 0;
};

}  // namespace nwc
