// SpinQuant, weights only (Liu et al. 2025), with the rotations that it begins with, random Hadamard matrices, which is
// QuaRot's form (Ashkboos et al. 2024): R1 turns the residual stream and R2 the values of each key-value head; both are
// absorbed in the weights, norms' gains in the layers behind them, and GPTQ then rounds the turned weights. Online
// rotations, which only activations need, are left out. Rotations are not learned here.
//
// Embedding and head stay in 16 bits, as they do with every method here; a tied head becomes a tensor of its own, since
// the final norm's gain goes into it and not into the embedding.
#include <cmath>
#include <mutex>

#include "base/parallel.h"
#include "libtorch/threads.h"
#include "methods/gptq.h"
#include "methods/incoherence.h"
#include "methods/residual_rotation.h"
#include "model/config/stored_names.h"
#include "model/families/family.h"
#include "nwcodec/weights.h"

namespace nwc {
namespace {

// A gain this much smaller than the norm's largest leaves nothing of an input that a turned layer would read.
constexpr double kLeastGain = 1e-6;

class Rotator {
 public:
  Rotator(const MethodModel& model, const RotationPlan& plan, const Weights& weights, const GptqOptions& options,
          uint64_t seed, PlainOutput& output)
      : model_(model),
        plan_(plan),
        weights_(weights),
        options_(options),
        residual_(plan.hidden, seed),
        values_(plan.head_dim, seed + 1),
        output_(output) {
    for (const WorkItem& block : model.blocks()) {
      for (const WorkItem::Member& member : block.members) compressed_.emplace(member.tensor->name, member.tensor);
    }
  }

  Status embedding() {
    NWC_ASSIGN_OR_RETURN(std::vector<float> w, read(plan_.embedding, plan_.vocabulary * plan_.hidden));
    const std::vector<float> original = w;
    turn_rows(w, plan_.hidden);
    NWC_RETURN_IF_ERROR(output_.put(plan_.embedding, w));
    if (plan_.tied) {
      w = original;
    } else {
      NWC_ASSIGN_OR_RETURN(w, read(plan_.head, plan_.vocabulary * plan_.hidden));
    }
    NWC_ASSIGN_OR_RETURN(const std::vector<float> gain, gain_of(*plan_.final_norm));
    for (uint64_t i = 0; i < w.size(); ++i) w[i] *= gain[i % plan_.hidden];
    turn_rows(w, plan_.hidden);
    return output_.put(plan_.head, w);
  }

  Status norm(const NormSpec& norm) {
    const std::vector<float> ones(static_cast<size_t>(norm.features), static_cast<float>(1 - norm.weight_offset));
    return output_.put(norm.weight, ones);
  }

  Status layer(const RotatedLayer& layer) {
    NWC_ASSIGN_OR_RETURN(std::vector<float> w, read(layer.weight, layer.rows * layer.columns));
    std::vector<float> gain;
    if (layer.norm != nullptr) {
      NWC_ASSIGN_OR_RETURN(gain, gain_of(*layer.norm));
      for (uint64_t i = 0; i < w.size(); ++i) w[i] *= gain[i % layer.columns];
    }
    turn_inputs(std::span<float>(w), layer);
    turn_outputs(w, layer.rows, layer.columns, layer);
    if (!layer.bias.empty() && layer.outputs != Side::kInside) {
      NWC_ASSIGN_OR_RETURN(std::vector<float> bias, read(layer.bias, layer.rows));
      turn_outputs(bias, layer.rows, 1, layer);
      NWC_RETURN_IF_ERROR(output_.put(layer.bias, bias));
    }
    const auto compressed = compressed_.find(layer.weight);
    if (compressed == compressed_.end()) return output_.put(layer.weight, w);  // turned only
    NWC_ASSIGN_OR_RETURN(const StoredHessian stored, model_.hessians()->find(*compressed->second));
    Dense h = full_hessian(stored.views()[0]);
    if (h.rows != layer.columns) return Error(ErrorCode::kMismatch, "has a Hessian of another width");
    NWC_RETURN_IF_ERROR(turn_hessian(h, gain, layer));
    NWC_ASSIGN_OR_RETURN(const QuantisedMatrix made, gptq(w, layer.rows, h, options_, 1));
    std::vector<float> errors(w.size());
    for (size_t i = 0; i < w.size(); ++i) errors[i] = w[i] - made.decoded[i];
    const std::vector<float> triangle = triangle_of(h);
    const double error = weighted_error(errors, layer.rows, {triangle, h.rows});
    NWC_RETURN_IF_ERROR(output_.put(layer.weight, made.decoded));
    const std::lock_guard lock(adding_);
    of_layer_[layer.weight] = {w.size(), made.bits, 0, 0, error};
    return {};
  }

  MethodTotals totals() const {
    MethodTotals sum;
    for (const auto& [name, one] : of_layer_) {
      sum.weights += one.weights;
      sum.bits += one.bits;
      sum.weighted_error += one.weighted_error;
    }
    return sum;
  }

 private:
  Result<std::vector<float>> read(const std::string& name, uint64_t count) const {
    std::vector<float> values(count);
    NWC_RETURN_IF_ERROR(weights_.read(name, DType::kF32, std::as_writable_bytes(std::span(values))));
    return values;
  }
  Result<std::vector<float>> gain_of(const NormSpec& norm) const {
    NWC_ASSIGN_OR_RETURN(std::vector<float> gain, read(norm.weight, static_cast<uint64_t>(norm.features)));
    for (float& g : gain) g += static_cast<float>(norm.weight_offset);
    return gain;
  }

  // x Q^T for each row x.
  void turn_rows(std::span<float> w, uint64_t columns) const {
    for (uint64_t r = 0; r * columns < w.size(); ++r) residual_.apply(w.subspan(r * columns, columns));
  }
  template <class T>
  void turn_inputs(std::span<T> w, const RotatedLayer& layer) const {
    for (uint64_t r = 0; r * layer.columns < w.size(); ++r) {
      const std::span<T> row = w.subspan(r * layer.columns, layer.columns);
      if (layer.inputs == Side::kResidual) residual_.apply(row);
      if (layer.inputs != Side::kHeads) continue;
      for (uint64_t head = 0; head < layer.columns; head += plan_.head_dim)
        values_.apply(row.subspan(head, plan_.head_dim));
    }
  }
  void turn_outputs(std::vector<float>& w, uint64_t rows, uint64_t columns, const RotatedLayer& layer) const {
    if (layer.outputs == Side::kInside) return;
    std::vector<float> column(rows);
    for (uint64_t c = 0; c < columns; ++c) {
      for (uint64_t r = 0; r < rows; ++r) column[r] = w[r * columns + c];
      if (layer.outputs == Side::kResidual) residual_.apply(std::span<float>(column));
      for (uint64_t r = layer.first_row; layer.outputs == Side::kHeads && r < rows; r += plan_.head_dim)
        values_.apply(std::span<float>(column).subspan(r, plan_.head_dim));
      for (uint64_t r = 0; r < rows; ++r) w[r * columns + c] = column[r];
    }
  }
  // The inputs are those of before over the norm's gain, turned.
  Status turn_hessian(Dense& h, const std::vector<float>& gain, const RotatedLayer& layer) const {
    if (layer.inputs == Side::kInside) return {};
    const uint64_t n = h.rows;
    double largest = 0;
    for (const float g : gain) largest = std::max(largest, static_cast<double>(std::abs(g)));
    for (uint64_t i = 0; i < gain.size(); ++i) {
      if (!(std::abs(gain[i]) > kLeastGain * largest)) {
        return Error(ErrorCode::kUnsupported, "the gain of " + layer.norm->weight + " is nearly 0 at feature " +
                                                  std::to_string(i) + ", where nothing is known of its input");
      }
    }
    for (uint64_t i = 0; i < n && !gain.empty(); ++i) {
      for (uint64_t j = 0; j < n; ++j) h.at(i, j) /= static_cast<double>(gain[i]) * gain[j];
    }
    for (int side = 0; side < 2; ++side) {
      turn_inputs(std::span<double>(h.values), layer);
      for (uint64_t i = 0; i < n; ++i) {
        for (uint64_t j = 0; j < i; ++j) std::swap(h.at(i, j), h.at(j, i));
      }
    }
    return {};
  }

  const MethodModel& model_;
  const RotationPlan& plan_;
  const Weights& weights_;
  const GptqOptions& options_;
  const RandomHadamard residual_, values_;
  PlainOutput& output_;
  std::map<std::string, const TensorView*> compressed_;
  std::mutex adding_;
  std::map<std::string, MethodTotals> of_layer_;
};

class SpinQuant final : public Method {
 public:
  SpinQuant(const GptqOptions& options, uint64_t seed) : options_(options), seed_(seed) {}
  bool needs_hessians() const override { return true; }

  Result<MethodTotals> run(const MethodModel& model, const std::filesystem::path& output,
                           const MethodContext& context) const override {
    NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(model.directory()));
    NWC_ASSIGN_OR_RETURN(ModelSpec described, describe_model(model.directory()));
    NWC_ASSIGN_OR_RETURN(const ModelSpec spec, with_stored_names(std::move(described), weights));
    NWC_ASSIGN_OR_RETURN(const RotationPlan plan, plan_rotation(spec));
    std::set<std::string> replaced{plan.embedding};
    std::vector<PlainOutput::Added> added;
    if (plan.tied) {
      added.push_back({plan.head, {plan.vocabulary, plan.hidden}});
    } else {
      replaced.insert(plan.head);
    }
    for (const NormSpec* norm : plan.norms) replaced.insert(norm->weight);
    for (const RotatedLayer& layer : plan.layers) {
      replaced.insert(layer.weight);
      if (!layer.bias.empty() && layer.outputs != Side::kInside) replaced.insert(layer.bias);
    }
    NWC_ASSIGN_OR_RETURN(PlainOutput plain, PlainOutput::create(model, output, std::move(replaced), added));
    Rotator rotator(model, plan, weights, options_, seed_, plain);
    set_compute_threads(1);
    const Status made = parallel_for(plan.layers.size() + 1, context.threads, [&](size_t i, int worker) -> Status {
      NWC_RETURN_IF_ERROR(context.progress.check_stop());
      if (i == 0) return rotator.embedding();
      const RotatedLayer& layer = plan.layers[i - 1];
      if (worker == 0) context.progress.at(i, plan.layers.size(), layer.weight);
      if (Status turned = rotator.layer(layer); !turned) return std::move(turned).error().in_tensor(layer.weight);
      return {};
    });
    set_compute_threads(std::max(1, context.threads));
    if (!made) return made.error();
    for (const NormSpec* norm : plan.norms) NWC_RETURN_IF_ERROR(rotator.norm(*norm));
    NWC_RETURN_IF_ERROR(plain.finish());
    MethodTotals totals = rotator.totals();
    totals.notes.push_back("rotations are random Hadamard matrices, not learned (QuaRot's form)");
    if (plan.tied) totals.notes.push_back("the head is no longer tied to the embedding");
    return totals;
  }

 private:
  GptqOptions options_;
  uint64_t seed_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_spinquant(MethodParameters& parameters, double bits) {
  GptqOptions options;
  NWC_ASSIGN_OR_RETURN(options.group, parameters.whole("group", 128, 0, 1u << 20));
  NWC_ASSIGN_OR_RETURN(options.grid.symmetric, parameters.flag("symmetric", false));
  NWC_ASSIGN_OR_RETURN(options.act_order, parameters.flag("act-order", true));
  NWC_ASSIGN_OR_RETURN(const uint64_t seed, parameters.whole("seed", 1, 0, UINT64_MAX));
  NWC_ASSIGN_OR_RETURN(options.grid.bits, whole_bits(bits, 1, 8));
  return std::unique_ptr<const Method>(std::make_unique<SpinQuant>(options, seed));
}

}  // namespace nwc
