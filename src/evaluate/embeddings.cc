#include "evaluate/embeddings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "evaluate/steps.h"
#include "libtorch/foreign.h"
#include "libtorch/tensors.h"

namespace nwc {
namespace {

constexpr int64_t kBatch = 8;    // inputs that go through a block together
constexpr int64_t kGroup = 128;  // inputs for which blocks are loaded once

// The tower's outputs for inputs [first, first + count), [count, ...].
Result<at::Tensor> embed(const EncoderTower& tower, const EncoderInputs& inputs, int64_t first, int64_t count,
                         Steps& steps) {
  const std::string& name = tower.spec().name;
  std::vector<at::Tensor> given, hidden, outputs;
  NWC_ASSIGN_OR_RETURN(const auto input, tower.input());
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    given.push_back(inputs.batch(name, first + begin, std::min(kBatch, count - begin)));
    hidden.push_back(input->forward(given.back()));
  }
  for (size_t b = 0; b < tower.blocks(); ++b) {
    NWC_ASSIGN_OR_RETURN(const auto block, tower.block(b));
    for (at::Tensor& h : hidden) {
      NWC_RETURN_IF_ERROR(steps.advance(h.size(0)));
      h = block->forward(h, {});
    }
  }
  NWC_ASSIGN_OR_RETURN(const auto output, tower.output());
  for (size_t i = 0; i < hidden.size(); ++i) outputs.push_back(output->forward(hidden[i], given[i]));
  at::Tensor all = torch::cat(outputs);
  if (!all.isfinite().all().item<bool>())
    return Error(ErrorCode::kNonFinite, fmt::format("the {} tower's output is not finite", name));
  return all;
}

class ErrorSums {
 public:
  void add(const at::Tensor& reference, const at::Tensor& candidate) {
    const at::Tensor r = reference.flatten(1).to(torch::kFloat64), e = candidate.flatten(1).to(torch::kFloat64);
    const at::Tensor wrong = (e - r).norm(2, 1), length = r.norm(2, 1);
    error_ += wrong.square().sum().item<double>();
    reference_ += length.square().sum().item<double>();
    worst_ = std::max(worst_, (wrong / length).max().item<double>());
    cosines_ += ((e * r).sum(1) / (e.norm(2, 1) * length)).sum().item<double>();
    count_ += r.size(0);
  }
  EmbeddingError result() const {
    return {count_, std::sqrt(error_ / reference_), worst_, cosines_ / static_cast<double>(count_)};
  }

 private:
  int64_t count_ = 0;
  double error_ = 0, reference_ = 0, worst_ = 0, cosines_ = 0;
};

// One vector per image, [images, features].
at::Tensor image_vectors(const at::Tensor& embedded) { return embedded.dim() == 3 ? embedded.select(1, 0) : embedded; }

struct Labels {
  at::Tensor reference, candidate;  // [labels, features]; undefined for none
};

Status check_widths(const at::Tensor& images, const at::Tensor& labels, const EncoderInputs& inputs) {
  if (images.size(1) == labels.size(1)) return {};
  return Error(ErrorCode::kMismatch, fmt::format("labels have {} features, images {}", labels.size(1), images.size(1)))
      .in_file(inputs.path().string())
      .in_tensor("label_embeds");
}

Result<EmbeddingResult> compare(const EncoderModel& reference, const EncoderModel& candidate,
                                const EncoderInputs& inputs, Steps& steps) {
  const torch::NoGradGuard no_gradients;
  EmbeddingResult result;
  Labels labels;
  // Runs both towers over all inputs; `more` sees each group's outputs.
  const auto both = [&](const std::string& tower, ErrorSums& sums, const auto& more) -> Status {
    for (int64_t first = 0; first < inputs.count(tower); first += kGroup) {
      const int64_t count = std::min(kGroup, inputs.count(tower) - first);
      NWC_ASSIGN_OR_RETURN(const at::Tensor r, embed(*reference.tower(tower), inputs, first, count, steps));
      NWC_ASSIGN_OR_RETURN(const at::Tensor e, embed(*candidate.tower(tower), inputs, first, count, steps));
      if (r.sizes() != e.sizes()) {
        return Error(ErrorCode::kMismatch, fmt::format("the models' {} towers give [{}] and [{}] numbers", tower,
                                                       fmt::join(r.sizes(), ", "), fmt::join(e.sizes(), ", ")));
      }
      sums.add(r, e);
      NWC_RETURN_IF_ERROR(more(r, e));
    }
    return {};
  };
  if (reference.tower("text") != nullptr && inputs.count("text") > 0) {
    ErrorSums sums;
    std::vector<at::Tensor> of_reference, of_candidate;
    NWC_RETURN_IF_ERROR(both("text", sums, [&](const at::Tensor& r, const at::Tensor& e) -> Status {
      of_reference.push_back(r);
      of_candidate.push_back(e);
      return {};
    }));
    result.texts = sums.result();
    labels = {torch::cat(of_reference), torch::cat(of_candidate)};
  }
  if (inputs.labels() > 0) labels.reference = labels.candidate = inputs.label_embeds();
  result.labels = labels.reference.defined() ? labels.reference.size(0) : 0;
  ErrorSums sums;
  int64_t agreements = 0;
  NWC_RETURN_IF_ERROR(both("vision", sums, [&](const at::Tensor& r, const at::Tensor& e) -> Status {
    if (result.labels == 0) return {};
    const at::Tensor by_reference = image_vectors(r), by_candidate = image_vectors(e);
    NWC_RETURN_IF_ERROR(check_widths(by_reference, labels.reference, inputs));
    const at::Tensor chosen = by_reference.matmul(labels.reference.to(r.device()).t()).argmax(1),
                     also = by_candidate.matmul(labels.candidate.to(e.device()).t()).argmax(1);
    agreements += chosen.eq(also).sum().item<int64_t>();
    return {};
  }));
  result.images = sums.result();
  if (result.labels > 0)
    result.label_agreement = static_cast<double>(agreements) / static_cast<double>(result.images.count);
  return result;
}

}  // namespace

Result<EmbeddingResult> compare_embeddings(const EncoderModel& reference, const EncoderModel& candidate,
                                           const EncoderInputs& inputs, const Progress& progress) {
  uint64_t total = 0;
  for (const EncoderTower& tower : reference.towers()) {
    const EncoderTower* const other = candidate.tower(tower.spec().name);
    if (other == nullptr)
      return Error(ErrorCode::kMismatch, fmt::format("the reference is a {} model, the candidate a {} model",
                                                     reference.spec().model_type, candidate.spec().model_type));
    total += static_cast<uint64_t>(inputs.count(tower.spec().name)) * (tower.blocks() + other->blocks());
  }
  Steps steps(progress, static_cast<int64_t>(total), "embeddings");
  return catch_foreign("comparing two encoders", [&] { return compare(reference, candidate, inputs, steps); });
}

}  // namespace nwc
