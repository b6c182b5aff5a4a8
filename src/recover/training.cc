#include "recover/training.h"

#include <torch/autograd.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <random>

#include "base/parallel.h"
#include "model/layers/block.h"
#include "recover/features.h"

namespace nwc {
namespace {

// Sequences that a GPU takes through the block at once: enough to fill it, and their attention scores fit.
constexpr size_t kTogether = 8;

class Trainer {
 public:
  Trainer(const BlockSpec& spec, BlockParameters& parameters, const std::vector<Trainable>& trainables,
          const TrainingData& data, std::shared_ptr<RopeTables> rope, int threads, const Progress& progress)
      : spec_(spec),
        parameters_(parameters),
        data_(data),
        rope_(std::move(rope)),
        on_cpu_(data.inputs.empty() || data.inputs[0].is_cpu()),
        threads_(on_cpu_ ? resolve_threads(threads) : 1),
        progress_(progress) {
    for (const Trainable& t : trainables) leaves_.push_back(parameters.tensor(t.name));
    at::Tensor added;
    int64_t values = 0;
    for (size_t s = 0; s < data.inputs.size(); ++s) {
      const at::Tensor of_sequence = (data.targets[s] - data.inputs[s]).square().sum(torch::kFloat64);
      added = added.defined() ? added + of_sequence : of_sequence;
      values += data.inputs[s].numel();
    }
    if (values > 0) unit_ = std::max(added.item<double>() / static_cast<double>(values), 1e-30);
  }
  ~Trainer() { require_gradients(false); }

  std::vector<at::Tensor>& leaves() { return leaves_; }
  size_t training_sequences() const { return data_.inputs.size() - data_.validation; }
  void require_gradients(bool wanted) {
    for (at::Tensor& leaf : leaves_) leaf.set_requires_grad(wanted);
  }

  Result<double> validate() const {
    std::vector<size_t> sequences(data_.validation);
    std::iota(sequences.begin(), sequences.end(), training_sequences());
    const std::vector<std::span<const size_t>> parts = parts_of(sequences);
    std::vector<double> errors(parts.size());
    NWC_RETURN_IF_ERROR(for_each_sequence(parts.size(), threads_, [&](size_t i) -> Status {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      const torch::NoGradGuard no_gradients;
      NWC_ASSIGN_OR_RETURN(const at::Tensor error, error_of(parts[i]));
      errors[i] = error.item<double>();
      return {};
    }));
    return std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(sequences.size());
  }

  // The gradient of the mean error over these sequences becomes the leaves'. Sequences are summed in their order, a few
  // at a time.
  Status set_gradients(std::span<const size_t> batch) {
    std::vector<at::Tensor> sum(leaves_.size());
    const std::vector<std::span<const size_t>> parts = parts_of(batch);
    for (size_t begin = 0; begin < parts.size(); begin += static_cast<size_t>(threads_)) {
      const size_t count = std::min(parts.size() - begin, static_cast<size_t>(threads_));
      std::vector<torch::autograd::variable_list> gradients(count);
      NWC_RETURN_IF_ERROR(for_each_sequence(count, threads_, [&](size_t i) -> Status {
        NWC_RETURN_IF_ERROR(progress_.check_stop());
        NWC_ASSIGN_OR_RETURN(const at::Tensor error, error_of(parts[begin + i]));
        // Experts that see no token of a sequence have no gradient from it.
        gradients[i] =
            torch::autograd::grad({error}, leaves_, {}, c10::nullopt, /*create_graph=*/false, /*allow_unused=*/true);
        return {};
      }));
      for (const torch::autograd::variable_list& of_part : gradients) {
        for (size_t p = 0; p < leaves_.size(); ++p) {
          if (!of_part[p].defined()) continue;
          sum[p] = sum[p].defined() ? sum[p].add_(of_part[p]) : of_part[p].clone();
        }
      }
    }
    for (size_t p = 0; p < leaves_.size(); ++p)
      leaves_[p].mutable_grad() = sum[p].defined() ? sum[p].div_(static_cast<double>(batch.size())) : at::Tensor();
    return {};
  }

  std::vector<at::Tensor> copies() const {
    std::vector<at::Tensor> all;
    for (const at::Tensor& leaf : leaves_) all.push_back(leaf.detach().clone());
    return all;
  }
  void restore(const std::vector<at::Tensor>& state) {
    const torch::NoGradGuard no_gradients;
    for (size_t p = 0; p < leaves_.size(); ++p) {
      leaves_[p].copy_(state[p]);
      leaves_[p].mutable_grad() = at::Tensor();
    }
  }

 private:
  // Sequences that go through the block together: on the CPU one, as threads share them; on a GPU neighbours of equal
  // length.
  std::vector<std::span<const size_t>> parts_of(std::span<const size_t> sequences) const {
    std::vector<std::span<const size_t>> parts;
    for (size_t begin = 0; begin < sequences.size(); begin += parts.back().size()) {
      size_t count = 1;
      while (!on_cpu_ && count < kTogether && begin + count < sequences.size() &&
             data_.inputs[sequences[begin + count]].sizes() == data_.inputs[sequences[begin]].sizes())
        ++count;
      parts.push_back(sequences.subspan(begin, count));
    }
    return parts;
  }
  static at::Tensor together(const std::vector<at::Tensor>& all, std::span<const size_t> part) {
    if (part.size() == 1) return all[part[0]];
    std::vector<at::Tensor> some;
    for (const size_t s : part) some.push_back(all[s]);
    return torch::cat(some, 0);
  }
  // The sum of the part's sequences' errors. Each part gets a block of its own: they share nothing but the leaves.
  Result<at::Tensor> error_of(std::span<const size_t> part) const {
    NWC_ASSIGN_OR_RETURN(const Block block, Block::load(spec_, parameters_, rope_));
    const at::Tensor error =
        torch::mse_loss(block.forward(together(data_.inputs, part), {}), together(data_.targets, part)) / unit_;
    return part.size() == 1 ? error : error * static_cast<double>(part.size());
  }

  const BlockSpec& spec_;
  BlockParameters& parameters_;
  TrainingData data_;
  std::shared_ptr<RopeTables> rope_;
  bool on_cpu_;
  int threads_;
  const Progress& progress_;
  std::vector<at::Tensor> leaves_;
  double unit_ = 1;
};

std::vector<size_t> shuffled(size_t count, std::mt19937_64& random) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = 0; i + 1 < count; ++i) std::swap(order[i], order[i + random() % (count - i)]);
  return order;
}

}  // namespace

Result<TrainingOutcome> train_block(const BlockSpec& spec, BlockParameters& parameters,
                                    const std::vector<Trainable>& trainables, const TrainingData& data,
                                    std::shared_ptr<RopeTables> rope, const RecoverOptions& options, int threads,
                                    const Progress& progress) {
  Trainer trainer(spec, parameters, trainables, data, std::move(rope), threads, progress);
  TrainingOutcome outcome;
  NWC_ASSIGN_OR_RETURN(outcome.error_before, trainer.validate());
  outcome.error_after = outcome.error_before;
  if (trainables.empty() || trainer.training_sequences() == 0 || options.epochs == 0) return outcome;

  trainer.require_gradients(true);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  std::vector<double> rates;
  for (size_t p = 0; p < trainables.size(); ++p) {
    rates.push_back(options.learning_rate * trainables[p].magnitude);
    groups.emplace_back(std::vector<at::Tensor>{trainer.leaves()[p]},
                        std::make_unique<torch::optim::AdamOptions>(rates.back()));
  }
  torch::optim::Adam adam(groups, torch::optim::AdamOptions(0.0));

  const size_t sequences = trainer.training_sequences(), batch = static_cast<size_t>(options.batch);
  const auto all_steps = static_cast<double>(options.epochs) * static_cast<double>((sequences + batch - 1) / batch);
  std::vector<at::Tensor> best = trainer.copies();
  std::mt19937_64 random(options.seed);
  int64_t without_progress = 0;
  for (int64_t epoch = 0; epoch < options.epochs && without_progress < options.patience; ++epoch) {
    const std::vector<size_t> order = shuffled(sequences, random);
    for (size_t begin = 0; begin < sequences; begin += batch) {
      NWC_RETURN_IF_ERROR(trainer.set_gradients(std::span(order).subspan(begin, std::min(batch, sequences - begin))));
      const double share = 0.5 * (1 + std::cos(std::numbers::pi * static_cast<double>(outcome.steps) / all_steps));
      for (size_t p = 0; p < rates.size(); ++p)
        static_cast<torch::optim::AdamOptions&>(adam.param_groups()[p].options()).lr(share * rates[p]);
      adam.step();
      ++outcome.steps;
    }
    NWC_ASSIGN_OR_RETURN(const double error, trainer.validate());
    if (error < outcome.error_after) {
      outcome.error_after = error;
      best = trainer.copies();
      without_progress = 0;
    } else {
      ++without_progress;
    }
  }
  trainer.restore(best);
  return outcome;
}

}  // namespace nwc
