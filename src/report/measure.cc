#include "report/measure.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/aligned.h"
#include "base/parallel.h"
#include "tensor/felt_error.h"

namespace nwc {
namespace {

constexpr uint64_t kRows = kFormRows;             // of a work item
constexpr uint64_t kDecoded = uint64_t{1} << 24;  // weights decoded at a time

// tr(X H X^T) for the rows of X, given as x[column][kRows].
double quadratic_form(const float* x, uint64_t columns, std::span<const float> triangle, Isa isa) {
  double forms[kRows] = {};
  add_quadratic_forms(x, columns, triangle, isa, forms);
  return std::accumulate(std::begin(forms), std::end(forms), 0.0);
}

struct Part {
  std::vector<double> column_error, column_weight;
  double weighted_error = 0, weighted_weight = 0, felt_error = 0;
};

struct Buffers {
  AlignedVector<float> weights, errors;  // [columns][kRows]
};

}  // namespace

Result<TensorMeasures> measure_tensor(const WeightMatrix& w, const TensorDecoder& decoder, const StoredHessian* hessian,
                                      int threads, const FeltError* felt) {
  const StreamHeader& header = decoder.header();
  if (header.matrices != w.matrices || header.rows != w.rows || header.columns != w.columns ||
      header.transposed != w.transposed) {
    return Error(ErrorCode::kMismatch, "has another shape than its stream").in_tensor(w.name);
  }
  std::vector<HessianView> views;
  if (hessian != nullptr) views = hessian->views();
  if (hessian != nullptr && (hessian->features != w.columns || (views.size() != 1 && views.size() != w.matrices))) {
    return Error(ErrorCode::kMismatch, "has a Hessian of another shape")
        .in_tensor(w.name)
        .remedy("calibrate this model");
  }
  threads = resolve_threads(threads);
  const Isa isa = current_isa();
  TensorMeasures sums;
  sums.column_error.assign(w.matrices * w.columns, 0.0);
  sums.column_weight.assign(w.matrices * w.columns, 0.0);
  const uint64_t together =
      std::clamp(kDecoded / std::max<uint64_t>(1, w.columns) / kRows, uint64_t{1}, (w.rows + kRows - 1) / kRows) *
      kRows;
  std::vector<float> decoded;
  std::vector<Buffers> buffers(static_cast<size_t>(threads));
  for (uint64_t m = 0; m < w.matrices && w.elements() > 0; ++m) {
    for (uint64_t first = 0; first < w.rows; first += together) {
      const uint64_t rows = std::min(together, w.rows - first);
      decoded.resize(rows * w.columns);
      NWC_RETURN_IF_ERROR(decoder.decode_slice({m, first, first + rows, 0, w.columns}, DType::kF32,
                                               std::as_writable_bytes(std::span(decoded)), threads));
      std::vector<Part> parts((rows + kRows - 1) / kRows);  // summed in order
      NWC_RETURN_IF_ERROR(parallel_for(parts.size(), threads, [&](size_t p, int worker) -> Status {
        Buffers& b = buffers[static_cast<size_t>(worker)];
        Part& part = parts[p];
        b.weights.assign(w.columns * kRows, 0.0f);
        b.errors.assign(w.columns * kRows, 0.0f);
        part.column_error.assign(w.columns, 0.0);
        part.column_weight.assign(w.columns, 0.0);
        const uint64_t begin = p * kRows, end = std::min(rows, begin + kRows);
        for (uint64_t row = begin; row < end; ++row) {
          for (uint64_t k = 0; k < w.columns; ++k) {
            const float x = w.at(w.index_of(m, first + row, k));
            const float e = decoded[w.transposed ? k * rows + row : row * w.columns + k] - x;
            b.weights[k * kRows + row - begin] = x;
            b.errors[k * kRows + row - begin] = e;
            part.column_weight[k] += static_cast<double>(x) * x;
            part.column_error[k] += static_cast<double>(e) * e;
          }
        }
        if (felt != nullptr) part.felt_error = felt->of_rows(m, first + begin, end - begin, b.errors.data(), isa);
        if (views.empty()) return {};
        const std::span<const float> triangle = views[views.size() == 1 ? 0 : m].triangle;
        part.weighted_error = quadratic_form(b.errors.data(), w.columns, triangle, isa);
        part.weighted_weight = quadratic_form(b.weights.data(), w.columns, triangle, isa);
        return {};
      }));
      for (const Part& part : parts) {
        for (uint64_t k = 0; k < w.columns; ++k) {
          sums.column_error[m * w.columns + k] += part.column_error[k];
          sums.column_weight[m * w.columns + k] += part.column_weight[k];
        }
        sums.weighted_error += part.weighted_error;
        sums.weighted_weight += part.weighted_weight;
        sums.felt_error += part.felt_error;
      }
    }
  }
  for (size_t k = 0; k < sums.column_error.size(); ++k) {
    sums.squared_error += sums.column_error[k];
    sums.squared_weight += sums.column_weight[k];
  }
  return sums;
}

}  // namespace nwc
