#include "polish/divergence_gradient.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "evaluate/sequence_pass.h"

namespace nwc {
namespace {

constexpr int64_t kKeptOnDevice = int64_t{4} << 30;  // bytes of hidden states

at::Tensor ids_of(const std::vector<int32_t>& sequence) {
  return torch::tensor(at::ArrayRef<int32_t>(sequence), torch::kInt64).unsqueeze(0);
}

// The compressed model's way there and back.
class Pass {
 public:
  Pass(const CausalLm& model, FactoredSource& source, const at::Tensor& theta,
       const std::vector<std::vector<int32_t>>& sequences, const Progress& progress)
      : model_(model), source_(source), sum_(torch::zeros_like(theta)), sequences_(sequences), progress_(progress) {}

  Result<DivergenceGradient> run(const CausalLm& reference) {
    NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> wanted, outputs_of(reference, nullptr));
    NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> outputs, outputs_of(model_, &kept_));
    source_.record(true);
    Status done = back_from_head(reference, wanted, outputs);
    for (size_t b = model_.blocks(); done && b-- > 0;) done = back_through(b);
    if (done) done = back_to_embedding();
    source_.record(false);
    if (!done) return std::move(done).error();
    return DivergenceGradient{divergence_, sum_};
  }

 private:
  // The last block's outputs of all sequences; what went into each block is left in `kept`, [block][sequence].
  Result<std::vector<at::Tensor>> outputs_of(const CausalLm& model, std::vector<std::vector<at::Tensor>>* kept) {
    const torch::NoGradGuard no_gradients;
    std::vector<at::Tensor> hidden;
    int64_t bytes = 0;
    {
      NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
      for (const std::vector<int32_t>& sequence : sequences_) {
        hidden.push_back(embedding->forward(ids_of(sequence)));
        bytes += static_cast<int64_t>(hidden.back().nbytes()) * static_cast<int64_t>(model.blocks());
      }
    }
    for (size_t b = 0; b < model.blocks(); ++b) {
      NWC_ASSIGN_OR_RETURN(const auto block, model.block(b));
      if (kept != nullptr) kept->emplace_back();
      for (at::Tensor& state : hidden) {
        NWC_RETURN_IF_ERROR(progress_.check_stop());
        if (kept != nullptr) kept->back().push_back(bytes > kKeptOnDevice ? state.cpu() : state);
        state = block->forward(state, {});
      }
    }
    return hidden;
  }

  Status back_from_head(const CausalLm& reference, const std::vector<at::Tensor>& wanted,
                        const std::vector<at::Tensor>& outputs) {
    const torch::AutoGradMode recording(true);
    NWC_ASSIGN_OR_RETURN(const auto reference_head, reference.head());
    NWC_ASSIGN_OR_RETURN(const auto head, model_.head());
    int64_t positions = 0;
    for (const at::Tensor& output : outputs) positions += output.size(1);
    const int64_t slice = positions_per_slice(model_.spec());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const at::Tensor state = outputs[i].detach().requires_grad_(true);
      for (int64_t begin = 0; begin < state.size(1); begin += slice) {
        NWC_RETURN_IF_ERROR(progress_.check_stop());
        const int64_t count = std::min(slice, state.size(1) - begin);
        at::Tensor log_p;
        {
          const torch::NoGradGuard no_gradients;
          log_p = torch::log_softmax(reference_head->forward(wanted[i].narrow(1, begin, count)), -1);
        }
        const at::Tensor log_q = torch::log_softmax(head->forward(state.narrow(1, begin, count)), -1);
        const at::Tensor part = (log_p.exp() * (log_p - log_q)).sum() / static_cast<double>(positions);
        part.backward();
        divergence_ += part.item<double>();
      }
      gradients_.push_back(state.grad());
    }
    source_.collect(sum_);
    if (std::isfinite(divergence_)) return {};
    return Error(ErrorCode::kNonFinite, "the models' outputs are not finite");
  }

  Status back_through(size_t b) {
    const torch::AutoGradMode recording(true);
    NWC_ASSIGN_OR_RETURN(const auto block, model_.block(b));
    for (size_t i = 0; i < sequences_.size(); ++i) {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      const at::Tensor input = kept_[b][i].to(gradients_[i].device()).detach().requires_grad_(true);
      block->forward(input, {}).backward(gradients_[i]);
      gradients_[i] = input.grad();
    }
    kept_[b].clear();
    source_.collect(sum_);
    return {};
  }

  Status back_to_embedding() {
    const torch::AutoGradMode recording(true);
    NWC_ASSIGN_OR_RETURN(const auto embedding, model_.embedding());
    for (size_t i = 0; i < sequences_.size(); ++i) {
      const at::Tensor state = embedding->forward(ids_of(sequences_[i]));
      if (state.requires_grad()) state.backward(gradients_[i]);
    }
    source_.collect(sum_);
    return {};
  }

  const CausalLm& model_;
  FactoredSource& source_;
  at::Tensor sum_;
  const std::vector<std::vector<int32_t>>& sequences_;
  const Progress& progress_;
  std::vector<std::vector<at::Tensor>> kept_;
  std::vector<at::Tensor> gradients_;  // at the output of the next block on the way back
  double divergence_ = 0;
};

}  // namespace

Result<DivergenceGradient> divergence_gradient(const CausalLm& reference, const CausalLm& compressed,
                                               FactoredSource& source, const at::Tensor& theta,
                                               const std::vector<std::vector<int32_t>>& sequences,
                                               const Progress& progress) {
  return Pass(compressed, source, theta, sequences, progress).run(reference);
}

}  // namespace nwc
