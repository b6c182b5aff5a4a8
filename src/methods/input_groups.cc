#include "methods/input_groups.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <tuple>

#include "base/hash.h"
#include "base/parallel.h"
#include "libtorch/threads.h"

namespace nwc {
namespace {

// Of matrices and what methods make beside them, for as many groups as are at work together.
constexpr uint64_t kMemory = uint64_t{8} << 30;

struct GroupPlan {
  const WorkItem* block;
  std::vector<const TensorView*> tensors;
  uint64_t matrix = 0, matrices = 1;  // of each tensor: one, of so many
  uint64_t bytes = 0;                 // estimated
};

// A method's working memory: a few copies of weights and Hessian, in binary64.
uint64_t bytes_of(const WeightMatrix& w, bool with_hessian) {
  return 32 * w.rows * w.columns + (with_hessian ? 48 * w.columns * w.columns : 0);
}

Result<std::vector<GroupPlan>> plan_groups(const MethodModel& model) {
  std::vector<GroupPlan> groups;
  for (const WorkItem& block : model.blocks()) {
    std::map<std::tuple<uint64_t, uint64_t, uint64_t>, size_t> known;  // (input, matrix, matrices): group
    for (const WorkItem::Member& member : block.members) {
      const TensorView& tensor = *member.tensor;
      const uint64_t matrices = tensor.shape.size() == 3 ? tensor.shape[0] : 1;
      const WeightMatrix shape = WeightMatrix::of(tensor, false, {});
      for (uint64_t m = 0; m < matrices; ++m) {
        const uint64_t bytes = bytes_of(shape, model.hessians() != nullptr);
        if (model.hessians() != nullptr) {
          NWC_ASSIGN_OR_RETURN(const uint64_t input, model.hessians()->input_of(tensor));
          const auto [found, fresh] = known.emplace(std::make_tuple(input, m, matrices), groups.size());
          if (!fresh) {
            groups[found->second].tensors.push_back(&tensor);
            groups[found->second].bytes += bytes;
            continue;
          }
        }
        groups.push_back({&block, {&tensor}, m, matrices, bytes});
      }
    }
  }
  return groups;
}

template <class T>
Status check(Result<T> result) {
  if (!result) return std::move(result).error();
  return {};
}

}  // namespace

Status for_each_input_group(const MethodModel& model, const MethodContext& context,
                            const std::function<Status(const InputGroup&)>& body) {
  NWC_ASSIGN_OR_RETURN(std::vector<GroupPlan> groups, plan_groups(model));
  uint64_t largest = 1;
  for (const GroupPlan& group : groups) largest = std::max(largest, group.bytes);
  const int together =
      static_cast<int>(std::clamp<uint64_t>(kMemory / largest, 1, static_cast<uint64_t>(std::max(1, context.threads))));
  // The costliest first, so that none is left alone at the end.
  std::stable_sort(groups.begin(), groups.end(),
                   [](const GroupPlan& a, const GroupPlan& b) { return a.bytes > b.bytes; });
  std::atomic<uint64_t> done = 0;
  set_compute_threads(1);
  const Status status = parallel_for(groups.size(), together, [&](size_t i, int worker) -> Status {
    NWC_RETURN_IF_ERROR(context.progress.check_stop());
    const GroupPlan& plan = groups[i];
    InputGroup group{.block = plan.block, .threads = std::max(1, context.threads / together)};
    std::vector<WeightMatrix> tensors;
    tensors.reserve(plan.tensors.size());
    for (const TensorView* tensor : plan.tensors) {
      NWC_ASSIGN_OR_RETURN(WeightMatrix loaded, model.load(*tensor));
      const WeightMatrix& w = tensors.emplace_back(std::move(loaded));
      MatrixTask task{.tensor = w, .matrix = plan.matrix, .rows = w.rows, .columns = w.columns};
      task.seed = xxh3(w.name) + plan.matrix;
      task.weights.resize(w.rows * w.columns);
      for (uint64_t r = 0; r < w.rows; ++r) {
        for (uint64_t c = 0; c < w.columns; ++c) task.weights[r * w.columns + c] = w.at(w.index_of(plan.matrix, r, c));
      }
      group.matrices.push_back(std::move(task));
    }
    StoredHessian stored;
    if (model.hessians() != nullptr) {
      NWC_ASSIGN_OR_RETURN(stored, model.hessians()->find(*plan.tensors[0]));
      for (size_t t = 1; t < plan.tensors.size(); ++t)  // that they are of these weights, too
        NWC_RETURN_IF_ERROR(check(model.hessians()->tokens_of(*plan.tensors[t])));
      const std::vector<HessianView> views = stored.views();
      if (views.size() != 1 && views.size() != plan.matrices) {
        return Error(ErrorCode::kMismatch, "has " + std::to_string(views.size()) + " Hessians for " +
                                               std::to_string(plan.matrices) + " matrices")
            .in_tensor(plan.tensors[0]->name)
            .remedy("calibrate this model");
      }
      group.hessian = views[views.size() == 1 ? 0 : plan.matrix];
      for (const MatrixTask& task : group.matrices) {
        if (task.columns == group.hessian->columns) continue;
        return Error(ErrorCode::kMismatch, "has a Hessian of another width").in_tensor(task.tensor.name);
      }
    }
    if (Status made = body(group); !made) return std::move(made).error().in_tensor(plan.tensors[0]->name);
    const uint64_t finished = ++done;
    if (worker == 0) context.progress.at(finished, groups.size(), plan.tensors[0]->name);
    return {};
  });
  set_compute_threads(std::max(1, context.threads));
  return status;
}

double weighted_error(std::span<const float> errors, uint64_t rows, const HessianView& hessian) {
  const uint64_t n = hessian.columns;
  double sum = 0;
  // E H row by row of H, so that each entry of the triangle is read once for all rows of E.
  std::vector<float> by_column(errors.size());
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < n; ++c) by_column[c * rows + r] = errors[r * n + c];
  }
  std::vector<float> product(rows);
  for (uint64_t i = 0; i < n; ++i) {
    const float* const line = hessian.triangle.data() + i * (i + 1) / 2;
    const float* const own = by_column.data() + i * rows;
    for (uint64_t r = 0; r < rows; ++r) product[r] = line[i] * own[r] * 0.5f;
    for (uint64_t j = 0; j < i; ++j) {
      const float h = line[j];
      const float* const other = by_column.data() + j * rows;
      for (uint64_t r = 0; r < rows; ++r) product[r] += h * other[r];
    }
    for (uint64_t r = 0; r < rows; ++r) sum += 2.0 * static_cast<double>(product[r]) * own[r];
  }
  return sum;
}

Result<MatrixCollector> MatrixCollector::create(const MethodModel& model, const std::filesystem::path& output) {
  std::set<std::string> names;
  for (const WorkItem& block : model.blocks()) {
    for (const WorkItem::Member& member : block.members) names.insert(member.tensor->name);
  }
  NWC_ASSIGN_OR_RETURN(PlainOutput plain, PlainOutput::create(model, output, std::move(names)));
  return MatrixCollector(std::move(plain));
}

Status MatrixCollector::add(const MatrixTask& task, const HessianView* hessian, QuantisedMatrix matrix) {
  const WeightMatrix& w = task.tensor;
  if (matrix.decoded.size() != task.weights.size())
    return Error(ErrorCode::kInternal, "decoded weights of another size").in_tensor(w.name);
  Sums sums{.bits = matrix.bits};
  std::vector<float> errors(task.weights.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    const double original = task.weights[i], wrong = original - matrix.decoded[i];
    errors[i] = static_cast<float>(wrong);
    sums.squared_error += wrong * wrong;
    sums.squared_weight += original * original;
  }
  if (hessian != nullptr) sums.weighted_error = weighted_error(errors, task.rows, *hessian);
  const std::lock_guard lock(*adding_);
  Pending& tensor = tensors_[w.name];
  if (tensor.sums.empty()) {
    tensor.values.resize(w.elements());
    tensor.sums.resize(w.matrices);
    tensor.missing = w.matrices;
    tensor.weights = w.elements();
  }
  tensor.sums[task.matrix] = sums;
  for (uint64_t r = 0; r < task.rows; ++r) {
    for (uint64_t c = 0; c < task.columns; ++c)
      tensor.values[w.index_of(task.matrix, r, c)] = matrix.decoded[r * task.columns + c];
  }
  if (--tensor.missing > 0) return {};
  NWC_RETURN_IF_ERROR(output_.put(w.name, tensor.values));
  tensor.values = {};
  return {};
}

Result<MethodTotals> MatrixCollector::finish() {
  NWC_RETURN_IF_ERROR(output_.finish());
  MethodTotals totals;
  for (const auto& [name, tensor] : tensors_) {
    totals.weights += tensor.weights;
    for (const Sums& sums : tensor.sums) {
      totals.bits += sums.bits;
      totals.squared_error += sums.squared_error;
      totals.squared_weight += sums.squared_weight;
      totals.weighted_error += sums.weighted_error;
    }
  }
  return totals;
}

Result<MethodTotals> InputGroupMethod::run(const MethodModel& model, const std::filesystem::path& output,
                                           const MethodContext& context) const {
  NWC_ASSIGN_OR_RETURN(MatrixCollector collector, MatrixCollector::create(model, output));
  NWC_RETURN_IF_ERROR(for_each_input_group(model, context, [&](const InputGroup& group) -> Status {
    NWC_ASSIGN_OR_RETURN(std::vector<QuantisedMatrix> made, quantise(group));
    for (size_t i = 0; i < made.size(); ++i) {
      NWC_RETURN_IF_ERROR(
          collector.add(group.matrices[i], group.hessian ? &*group.hessian : nullptr, std::move(made[i])));
    }
    return {};
  }));
  NWC_ASSIGN_OR_RETURN(MethodTotals totals, collector.finish());
  totals.bits += shared_bits();
  totals.notes = notes();
  return totals;
}

Result<std::vector<QuantisedMatrix>> MatrixMethod::quantise(const InputGroup& group) const {
  std::vector<QuantisedMatrix> made;
  for (const MatrixTask& task : group.matrices) {
    NWC_ASSIGN_OR_RETURN(QuantisedMatrix matrix,
                         quantise_matrix(task, group.hessian ? &*group.hessian : nullptr, group.threads));
    made.push_back(std::move(matrix));
  }
  return made;
}

}  // namespace nwc
