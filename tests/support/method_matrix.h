// A matrix with a Hessian, and what a method makes of it.
#pragma once

#include <cmath>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "methods/input_groups.h"
#include "methods/methods.h"
#include "support/tiny_codec.h"

namespace nwc::testing {

class MethodMatrix {
 public:
  // Gaussian weights; inputs whose neighbours correlate by `correlation` and whose sizes spread over two octaves.
  MethodMatrix(uint64_t rows, uint64_t columns, double correlation, uint32_t seed, const std::string& name = "w")
      : rows_(rows), columns_(columns) {
    std::mt19937 random(seed);
    weights_ = random_values(rows * columns, 1.0, random);
    owned_ = std::make_unique<OwnedMatrix>(name, DType::kF32, std::vector<uint64_t>{rows, columns}, weights_);
    matrix_ = owned_->matrix();
    std::vector<double> size(columns);
    for (double& s : size) s = std::exp2(static_cast<double>(random() % 1000) / 500);
    for (uint64_t i = 0; i < columns; ++i) {
      for (uint64_t j = 0; j <= i; ++j)
        triangle_.push_back(static_cast<float>(size[i] * size[j] * std::pow(correlation, static_cast<double>(i - j))));
    }
  }

  HessianView hessian() const { return {triangle_, columns_}; }
  const std::vector<float>& weights() const { return weights_; }
  MatrixTask task() const {
    MatrixTask task{.tensor = matrix_, .rows = rows_, .columns = columns_};
    task.weights = weights_;
    task.seed = 1;
    return task;
  }
  // Throws what make_method() or the method returns as an error.
  QuantisedMatrix by(const std::string& method, double bits, int threads = 1) const {
    const Result<std::unique_ptr<const Method>> made = make_method(method, bits);
    if (!made) throw std::runtime_error(made.error().to_string());
    InputGroup group;
    group.block = &block_;
    group.matrices.push_back(task());
    group.hessian = hessian();
    group.threads = threads;
    Result<std::vector<QuantisedMatrix>> result = dynamic_cast<const InputGroupMethod&>(**made).quantise(group);
    if (!result) throw std::runtime_error(result.error().to_string());
    return std::move((*result)[0]);
  }
  double squared_error(const std::vector<float>& decoded) const {
    double sum = 0, all = 0;
    for (size_t i = 0; i < decoded.size(); ++i) {
      const double e = static_cast<double>(decoded[i]) - weights_[i];
      sum += e * e;
      all += static_cast<double>(weights_[i]) * weights_[i];
    }
    return sum / all;
  }
  double layer_error(const std::vector<float>& decoded) const {
    std::vector<float> errors(decoded.size());
    for (size_t i = 0; i < decoded.size(); ++i) errors[i] = decoded[i] - weights_[i];
    return weighted_error(errors, rows_, hessian());
  }

 private:
  uint64_t rows_, columns_;
  std::vector<float> weights_, triangle_;
  std::unique_ptr<OwnedMatrix> owned_;
  WeightMatrix matrix_;
  WorkItem block_;
};

}  // namespace nwc::testing
