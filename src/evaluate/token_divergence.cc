#include "evaluate/token_divergence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "evaluate/sequence_pass.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

// Rows of logits that a core takes through the following passes together, so that they stay in its second-level cache.
constexpr int64_t kLogitsInCache = int64_t{1} << 17;

// Logits [positions, vocabulary] of one model, overwritten by logarithms of probabilities, and what they say of the
// targets, int64 [positions, 1].
struct Prediction {
  at::Tensor log_p;
  at::Tensor nll;  // float32 [positions], on the CPU
  at::Tensor top;  // int64 [positions], on the CPU

  Prediction(at::Tensor logits, const at::Tensor& targets) : log_p(std::move(logits)) {
    top = log_p.argmax(-1).cpu();
    log_p.sub_(torch::logsumexp(log_p, -1, /*keepdim=*/true));
    nll = log_p.gather(1, targets).squeeze(1).neg().cpu();
  }
};

// `p`: the reference's probabilities. Overwrites the candidate's.
void score(const Prediction& reference, const at::Tensor& p, Prediction& candidate, TokenScore* scores) {
  const at::Tensor kl =
      candidate.log_p.neg_().add_(reference.log_p).mul_(p).sum(-1, /*keepdim=*/false, torch::kFloat64).cpu();
  for (int64_t i = 0; i < kl.size(0); ++i) {
    scores[i] = {.kl = kl.data_ptr<double>()[i],
                 .reference_nll = reference.nll.data_ptr<float>()[i],
                 .candidate_nll = candidate.nll.data_ptr<float>()[i],
                 .reference_top = static_cast<int32_t>(reference.top.data_ptr<int64_t>()[i]),
                 .candidate_top = static_cast<int32_t>(candidate.top.data_ptr<int64_t>()[i])};
  }
}

class Comparison {
 public:
  // `kept`: the reference's outputs for each window, float32 [context, hidden_size] on the CPU, or null.
  Comparison(const CausalLm& reference, std::span<const CausalLm* const> candidates, const Windows& windows,
             std::string_view protocol, const std::vector<at::Tensor>* kept, Steps* steps)
      : models_{&reference},
        windows_(windows),
        kept_(kept),
        steps_(steps),
        slice_(positions_per_slice(reference.spec())) {
    models_.insert(models_.end(), candidates.begin(), candidates.end());
    for (size_t i = 0; i < candidates.size(); ++i) {
      scores_.push_back({windows.context, windows.count, {}, windows.first_scored, protocol});
      scores_.back().tokens.resize(static_cast<size_t>(windows.count * windows.scored()));
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
    const WindowGroups groups = groups_of(windows_, hidden_size, resident);
    for (int64_t first = 0; first < windows_.count; first += groups.windows) {
      NWC_RETURN_IF_ERROR(run_group(first, std::min(groups.windows, windows_.count - first), groups.rows));
    }
    return std::move(scores_);
  }

 private:
  Status run_group(int64_t first, int64_t count, int64_t rows) {
    const std::vector<SequenceBatch> batches = windows_.batches(first, count, rows);
    std::vector<std::vector<at::Tensor>> states;  // [models][batches], each [windows, context, hidden_size]
    std::vector<std::shared_ptr<const Head>> heads;
    for (const CausalLm* model : models_) {
      if (kept_ != nullptr && model == models_[0]) {
        states.emplace_back();
        continue;
      }
      NWC_ASSIGN_OR_RETURN(std::vector<at::Tensor> outputs, run_blocks(*model, batches, steps_));
      states.push_back(std::move(outputs));
    }
    const torch::Device device = states.back()[0].device();
    for (const CausalLm* model : models_) {
      NWC_ASSIGN_OR_RETURN(std::shared_ptr<const Head> head, model->head());
      heads.push_back(std::move(head));
    }
    const auto score_one = [&](size_t i) -> Status {
      const int64_t at = static_cast<int64_t>(i), row = at % rows;
      std::vector<at::Tensor> hidden;
      hidden.reserve(states.size());
      for (const std::vector<at::Tensor>& of_model : states) {
        hidden.push_back(of_model.empty() ? (*kept_)[static_cast<size_t>(first + at)].to(device)
                                          : of_model[i / static_cast<size_t>(rows)].select(0, row));
      }
      NWC_RETURN_IF_ERROR(score_window(heads, hidden, first + at));
      return steps_->advance(1);
    };
    return score_each(static_cast<size_t>(count), device.is_cpu(), 3 * slice_ * models_[0]->spec().vocab_size,
                      score_one);
  }

  // hidden is a [context, hidden_size] for each model.
  Status score_window(const std::vector<std::shared_ptr<const Head>>& heads, const std::vector<at::Tensor>& hidden,
                      int64_t index) {
    const std::span<const int32_t> tokens = windows_.scored(index);
    const at::Tensor targets = torch::tensor(at::ArrayRef<int32_t>(tokens.data(), tokens.size()), torch::kInt64)
                                   .to(hidden[0].device())
                                   .unsqueeze(1);
    const auto first_of = [&](TokenScores& scores) { return scores.tokens.data() + index * windows_.scored(); };
    for (int64_t begin = 0; begin < windows_.scored(); begin += slice_) {
      const int64_t count = std::min(slice_, windows_.scored() - begin);
      const auto logits_of = [&](size_t m) {
        return heads[m]->forward(hidden[m].narrow(0, windows_.first_position() + begin, count));
      };
      const at::Tensor of_reference = logits_of(0);
      const int64_t step = of_reference.is_cpu() ? std::max<int64_t>(1, kLogitsInCache / of_reference.size(1)) : count;
      std::vector<std::pair<Prediction, at::Tensor>> references;  // with probabilities, of several candidates
      for (size_t c = 0; c < scores_.size(); ++c) {
        const at::Tensor of_candidate = logits_of(c + 1);
        for (int64_t at = 0; at < count; at += step) {
          const int64_t some = std::min(step, count - at);
          const at::Tensor of_some = targets.narrow(0, begin + at, some);
          if (c == 0) {
            Prediction reference(of_reference.narrow(0, at, some), of_some);
            at::Tensor p = reference.log_p.exp();
            references.emplace_back(std::move(reference), std::move(p));
          }
          const auto& [reference, p] = references[static_cast<size_t>(c == 0 ? references.size() - 1 : at / step)];
          Prediction candidate(of_candidate.narrow(0, at, some), of_some);
          score(reference, p, candidate, first_of(scores_[c]) + begin + at);
          if (scores_.size() == 1) references.clear();
        }
      }
    }
    for (size_t c = 0; c < scores_.size(); ++c) {
      const TokenScore* const first = first_of(scores_[c]);
      double sum = 0;
      for (int64_t i = 0; i < windows_.scored(); ++i)
        sum += first[i].kl + first[i].reference_nll + first[i].candidate_nll;
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
  const std::vector<at::Tensor>* kept_;
  Steps* steps_;
  int64_t slice_;
  std::vector<TokenScores> scores_;  // of each candidate
};

Status check_vocabulary(const CausalLm& reference, const CausalLm& candidate) {
  if (candidate.spec().vocab_size == reference.spec().vocab_size) return {};
  return Error(ErrorCode::kMismatch, fmt::format("the reference has a vocabulary of {}, the candidate one of {}",
                                                 reference.spec().vocab_size, candidate.spec().vocab_size));
}

}  // namespace

struct ReferenceStates::Kept {
  const CausalLm* reference;
  std::span<const int32_t> ids;
  WindowOptions options;
  Windows windows;
  std::vector<at::Tensor> hidden;  // [windows], each float32 [context, hidden_size] on the CPU; empty: not kept
};

Result<ReferenceStates> ReferenceStates::compute(const CausalLm& reference, std::span<const int32_t> ids,
                                                 const WindowOptions& options, const Progress& progress,
                                                 uint64_t most_bytes) {
  NWC_ASSIGN_OR_RETURN(Windows windows, cut_windows(ids, reference.spec(), options));
  const uint64_t bytes = static_cast<uint64_t>(windows.count * windows.context * reference.spec().hidden_size) * 4;
  Steps steps(progress, windows.count * static_cast<int64_t>(reference.blocks()), "the reference");
  auto kept = std::make_shared<Kept>(Kept{&reference, ids, options, windows, {}});
  if (bytes > most_bytes) return ReferenceStates(std::move(kept));
  const WindowGroups groups = groups_of(windows, reference.spec().hidden_size, reference.resident());
  for (int64_t first = 0; first < windows.count; first += groups.windows) {
    const int64_t count = std::min(groups.windows, windows.count - first);
    NWC_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs,
                         run_blocks(reference, windows.batches(first, count, groups.rows), &steps));
    NWC_RETURN_IF_ERROR(catch_foreign("keeping outputs", [&]() -> Status {
      for (const at::Tensor& batch : outputs) {
        for (const at::Tensor& window : batch.unbind(0)) kept->hidden.push_back(window.cpu().contiguous());
      }
      return {};
    }));
  }
  return ReferenceStates(std::move(kept));
}

Result<TokenScores> ReferenceStates::score(const CausalLm& candidate, const Progress& progress) const {
  const CausalLm* const candidates[] = {&candidate};
  if (kept_->hidden.empty()) {
    NWC_ASSIGN_OR_RETURN(std::vector<TokenScores> scores,
                         score_tokens(*kept_->reference, candidates, kept_->ids, kept_->options, progress));
    return std::move(scores.front());
  }
  NWC_RETURN_IF_ERROR(check_vocabulary(*kept_->reference, candidate));
  NWC_RETURN_IF_ERROR(cut_windows(kept_->ids, candidate.spec(), kept_->options));
  Steps steps(progress, kept_->windows.count * static_cast<int64_t>(candidate.blocks() + 1), "divergence");
  NWC_ASSIGN_OR_RETURN(std::vector<TokenScores> scores, catch_foreign("comparing models", [&] {
                         return Comparison(*kept_->reference, candidates, kept_->windows,
                                           name_of(kept_->options.protocol), &kept_->hidden, &steps)
                             .run();
                       }));
  return std::move(scores.front());
}

Result<std::vector<TokenScores>> score_tokens(const CausalLm& reference, std::span<const CausalLm* const> candidates,
                                              std::span<const int32_t> ids, const WindowOptions& options,
                                              const Progress& progress) {
  for (const CausalLm* candidate : candidates) NWC_RETURN_IF_ERROR(check_vocabulary(reference, *candidate));
  NWC_ASSIGN_OR_RETURN(const Windows windows, cut_windows(ids, reference.spec(), options));
  size_t blocks = reference.blocks();
  for (const CausalLm* candidate : candidates) {
    NWC_RETURN_IF_ERROR(cut_windows(ids, candidate->spec(), options));
    blocks += candidate->blocks();
  }
  Steps steps(progress, windows.count * static_cast<int64_t>(blocks + 1), "divergence");
  return catch_foreign("comparing models", [&] {
    return Comparison(reference, candidates, windows, name_of(options.protocol), nullptr, &steps).run();
  });
}

}  // namespace nwc
