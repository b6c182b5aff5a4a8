#include "recover/features.h"

#include "base/parallel.h"
#include "libtorch/foreign.h"

namespace nwc {

Status for_each_sequence(size_t items, int threads, const std::function<Status(size_t)>& body) {
  return parallel_for(items, threads, [&](size_t item, int) -> Status {
    return catch_foreign("recovery", [&]() -> Status {
      at::set_num_threads(1);  // of this thread
      return body(item);
    });
  });
}

Status Features::embed() {
  NWC_ASSIGN_OR_RETURN(const auto embedding, model_->embedding());
  const torch::NoGradGuard no_gradients;
  for (const std::vector<int32_t>& sequence : sequences_) {
    const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(sequence), torch::kInt64).unsqueeze(0);
    inputs_.push_back(embedding->forward(ids));
  }
  return {};
}

Status Features::run_block(const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const auto block, model_->block(block_));
  outputs_.resize(inputs_.size());
  return for_each_sequence(inputs_.size(), threads_, [&](size_t s) -> Status {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    const torch::NoGradGuard no_gradients;
    outputs_[s] = block->forward(inputs_[s], {});
    return {};
  });
}

Status Features::advance_to(size_t index, const Progress& progress) {
  if (inputs_.empty()) {
    NWC_RETURN_IF_ERROR(embed());
    NWC_RETURN_IF_ERROR(run_block(progress));
  }
  for (; block_ < index;) {
    inputs_ = std::move(outputs_);
    outputs_.clear();
    ++block_;
    NWC_RETURN_IF_ERROR(run_block(progress));
  }
  return {};
}

}  // namespace nwc
