#include "evaluate/token_divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "evaluate/window_pass.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr int64_t kStateBytes = int64_t{2} << 30;  // of all models' hidden states

struct Prediction {
  at::Tensor log_p;  // float32 [positions, vocab]
  at::Tensor nll;    // of the targets, float32 [positions], on the CPU
  at::Tensor top;    // int64 [positions], on the CPU
};

// hidden is [positions, hidden_size], targets int64 [positions, 1].
Prediction predict(const Head& head, const at::Tensor& hidden, const at::Tensor& targets) {
  Prediction p;
  p.log_p = torch::log_softmax(head.forward(hidden), -1);
  p.nll = p.log_p.gather(1, targets).squeeze(1).neg().cpu();
  p.top = p.log_p.argmax(-1).cpu();
  return p;
}

void append(const Prediction& reference, const Prediction& candidate, std::vector<TokenScore>& scores) {
  const at::Tensor kl =
      (reference.log_p.exp() * (reference.log_p - candidate.log_p)).sum(-1, /*keepdim=*/false, torch::kFloat64).cpu();
  for (int64_t i = 0; i < kl.size(0); ++i) {
    scores.push_back({.kl = kl.data_ptr<double>()[i],
                      .reference_nll = reference.nll.data_ptr<float>()[i],
                      .candidate_nll = candidate.nll.data_ptr<float>()[i],
                      .reference_top = static_cast<int32_t>(reference.top.data_ptr<int64_t>()[i]),
                      .candidate_top = static_cast<int32_t>(candidate.top.data_ptr<int64_t>()[i])});
  }
}

class Comparison {
 public:
  Comparison(const CausalLm& reference, std::span<const CausalLm* const> candidates, const Windows& windows,
             Steps* steps)
      : models_{&reference}, windows_(windows), steps_(steps), slice_(positions_per_slice(reference.spec())) {
    models_.insert(models_.end(), candidates.begin(), candidates.end());
    for (size_t i = 0; i < candidates.size(); ++i) {
      scores_.push_back({windows.context, windows.count, {}});
      scores_.back().tokens.reserve(static_cast<size_t>(windows.count * (windows.context - 1)));
    }
  }

  Result<std::vector<TokenScores>> run() {
    const torch::NoGradGuard no_gradients;
    int64_t hidden_size = 0;
    bool resident = true;
    for (const CausalLm* model : models_) {
      hidden_size += model->spec().hidden_size;
      resident = resident && model->resident();
    }
    const int64_t group = windows_per_group(windows_, hidden_size, resident, kStateBytes);
    for (int64_t first = 0; first < windows_.count; first += group) {
      NWC_RETURN_IF_ERROR(run_group(first, std::min(group, windows_.count - first)));
    }
    return std::move(scores_);
  }

 private:
  Status run_group(int64_t first, int64_t count) {
    std::vector<std::vector<at::Tensor>> states;  // [models][batches], each [windows, context, hidden_size]
    for (const CausalLm* model : models_) {
      NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> batches, run_blocks(*model, windows_, first, count, steps_));
      states.push_back(std::move(batches));
    }
    std::vector<std::shared_ptr<const Head>> heads;
    for (const CausalLm* model : models_) {
      NWC_ASSIGN_OR_RETURN(std::shared_ptr<const Head> head, model->head());
      heads.push_back(std::move(head));
    }
    int64_t index = first;
    for (size_t batch = 0; batch < states[0].size(); ++batch) {
      for (int64_t i = 0; i < states[0][batch].size(0); ++i, ++index) {
        std::vector<at::Tensor> hidden;
        hidden.reserve(states.size());
        for (const std::vector<at::Tensor>& of_model : states) hidden.push_back(of_model[batch].select(0, i));
        NWC_RETURN_IF_ERROR(score_window(heads, hidden, index));
        NWC_RETURN_IF_ERROR(steps_->advance(1));
      }
    }
    return {};
  }

  // hidden is a [context, hidden_size] for each model.
  Status score_window(const std::vector<std::shared_ptr<const Head>>& heads, const std::vector<at::Tensor>& hidden,
                      int64_t index) {
    const std::span<const int32_t> ids = windows_.window(index);
    const int64_t scored = windows_.context - 1;
    const at::Tensor targets = torch::tensor(at::ArrayRef<int32_t>(ids.data() + 1, ids.size() - 1), torch::kInt64)
                                   .unsqueeze(1)
                                   .to(hidden[0].device());
    for (int64_t begin = 0; begin < scored; begin += slice_) {
      const int64_t count = std::min(slice_, scored - begin);
      const auto of_model = [&](size_t m) {
        return predict(*heads[m], hidden[m].narrow(0, begin, count), targets.narrow(0, begin, count));
      };
      const Prediction reference = of_model(0);
      for (size_t c = 0; c < scores_.size(); ++c) append(reference, of_model(c + 1), scores_[c].tokens);
    }
    for (size_t c = 0; c < scores_.size(); ++c) {
      const std::vector<TokenScore>& tokens = scores_[c].tokens;
      double sum = 0;
      for (auto score = tokens.end() - static_cast<ptrdiff_t>(scored); score != tokens.end(); ++score)
        sum += score->kl + score->reference_nll + score->candidate_nll;
      if (std::isfinite(sum)) continue;
      const std::string whose = scores_.size() > 1
                                    ? fmt::format("the outputs of the reference or of candidate {}", c + 1)
                                    : std::string("the models' outputs");
      return Error(ErrorCode::kNonFinite, fmt::format("{} for window {} are not finite", whose, index));
    }
    return {};
  }

  std::vector<const CausalLm*> models_;  // the reference first
  const Windows& windows_;
  Steps* steps_;
  int64_t slice_;
  std::vector<TokenScores> scores_;  // of each candidate
};

}  // namespace

Result<std::vector<TokenScores>> score_tokens(const CausalLm& reference, std::span<const CausalLm* const> candidates,
                                              std::span<const int32_t> ids, const WindowOptions& options,
                                              const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const Windows windows, cut_windows(ids, reference.spec(), options));
  size_t blocks = reference.blocks();
  for (const CausalLm* candidate : candidates) {
    if (candidate->spec().vocab_size != reference.spec().vocab_size) {
      return Error(ErrorCode::kMismatch, fmt::format("the reference has a vocabulary of {}, the candidate one of {}",
                                                     reference.spec().vocab_size, candidate->spec().vocab_size));
    }
    NWC_RETURN_IF_ERROR(cut_windows(ids, candidate->spec(), options));
    blocks += candidate->blocks();
  }
  Steps steps(progress, windows.count * static_cast<int64_t>(blocks + 1), "divergence");
  return catch_foreign("comparing models", [&] { return Comparison(reference, candidates, windows, &steps).run(); });
}

}  // namespace nwc
