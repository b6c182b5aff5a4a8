#include "calibrate/gradient_pass.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "calibrate/block_fisher.h"
#include "calibrate/block_moments.h"
#include "calibrate/finite_check.h"

namespace nwc {
namespace {

constexpr double kMostDropped = 0.01;  // of the batches

// The way back, block by block.
class WayBack {
 public:
  WayBack(const BlockStack& blocks, std::vector<Batch> batches, const GradientPassOptions& options,
          PassContext& context)
      : blocks_(blocks),
        batches_(std::move(batches)),
        options_(options),
        context_(context),
        kept_(options.scratch, options.memory),
        gradients_(batches_.size()) {}

  // Leaves the last block's outputs in batches_.
  Status go_there(size_t first_kept) {
    for (size_t b = 0; b < blocks_.count; ++b) {
      NWC_ASSIGN_OR_RETURN(const auto block, blocks_.load(b));
      for (size_t i = 0; i < batches_.size(); ++i) {
        Batch& batch = batches_[i];
        NWC_RETURN_IF_ERROR(context_.step(blocks_.first + b));
        const at::Tensor output = block->forward(batch.hidden, {});
        if (!is_finite(output)) return not_finite(*block, b, batch.hidden, batch.name);
        if (b >= first_kept) NWC_RETURN_IF_ERROR(kept_.put(b, i, batch.hidden));
        batch.hidden = output;
      }
    }
    return {};
  }

  Status turn(LastGradient last_gradient) {
    for (size_t i = 0; i < batches_.size(); ++i) {
      NWC_RETURN_IF_ERROR(context_.step(blocks_.first + blocks_.count));
      NWC_ASSIGN_OR_RETURN(gradients_[i], last_gradient(i, batches_[i].hidden));
      batches_[i].hidden.reset();
      if (!is_finite(gradients_[i])) NWC_RETURN_IF_ERROR(drop(i, "of the output"));
    }
    return {};
  }

  Status go_back_through(size_t b) {
    const size_t number = blocks_.first + b;
    NWC_ASSIGN_OR_RETURN(const auto block, blocks_.load(b));
    const bool missing = context_.files.is_missing(number);
    BlockMoments moments(linears_of(blocks_.spec(b)));
    BlockFisher fisher(linears_of(blocks_.spec(b)), options_.outputs);
    Block::Options watch;
    watch.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor& y) {
      if (missing) moments.see(linear, x.detach());
      fisher.see(linear, x, y);  // also where the file is there: the same batches are left out then
    };
    for (size_t i = 0; i < batches_.size(); ++i) {
      NWC_RETURN_IF_ERROR(context_.step(number));
      NWC_ASSIGN_OR_RETURN(const at::Tensor kept, kept_.take(b, i));
      const bool backward = gradients_[i].defined();
      if (!backward && !missing) continue;
      const at::Tensor input = kept.to(device_);
      const torch::AutoGradMode recording(backward);
      const at::Tensor hidden = input.clone().requires_grad_(backward);
      const at::Tensor output = block->forward(hidden, watch);
      moments.end_batch();
      if (missing && !moments.are_finite()) return not_finite(*block, b, input, batches_[i].name);
      if (backward) output.backward(gradients_[i]);
      NWC_RETURN_IF_ERROR(end_batch(i, hidden.grad(), fisher, missing));
    }
    return missing ? write(number, moments, fisher) : Status();
  }

  // Of the model's ends, whose head the turn has seen.
  Status end() {
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (gradients_[i].defined()) options_.at_input(i, gradients_[i]);
    }
    NWC_ASSIGN_OR_RETURN(const HessianFile file, options_.ends(positions_));
    return context_.files.write_ends(file);
  }

 private:
  Status end_batch(size_t i, const at::Tensor& gradient, BlockFisher& fisher, bool add) {
    if (!gradients_[i].defined()) {
      fisher.forget_batch();
      return {};
    }
    gradients_[i] = gradient;
    if (const std::optional<std::string> layer = fisher.end_batch(add)) return drop(i, "at " + *layer);
    if (!is_finite(gradient)) return drop(i, "at the block's input");
    return {};
  }

  Status drop(size_t i, const std::string& where) {
    gradients_[i].reset();
    const std::string what = fmt::format("the gradient {} is not finite in {}", where, batches_[i].name);
    ++context_.report.sequences_without_gradient;
    if (static_cast<double>(context_.report.sequences_without_gradient) >
        kMostDropped * static_cast<double>(batches_.size())) {
      return Error(ErrorCode::kNonFinite, fmt::format("{}; so it is in {} of {} sequences", what,
                                                      context_.report.sequences_without_gradient, batches_.size()))
          .in_file(context_.checkpoint.directory().string())
          .remedy("calibrate with --no-gradients");
    }
    context_.report.warnings.push_back(what + ", which is left out");
    return {};
  }

  Status write(size_t number, const BlockMoments& moments, const BlockFisher& fisher) {
    NWC_ASSIGN_OR_RETURN(HessianFile file,
                         moments.file(context_.checkpoint, context_.files.provenance(), context_.report.warnings));
    fisher.append_to(file);
    file.positions = positions_;
    context_.report.hessians += file.hessians.size();
    return context_.files.write(number, file);
  }

  Error not_finite(const Block& block, size_t b, const at::Tensor& input, const std::string& name) {
    return block_not_finite(block, blocks_.spec(b), input, blocks_.first + b, name, context_.checkpoint);
  }

  static int64_t positions_of(const std::vector<Batch>& batches) {
    int64_t positions = 0;
    for (const Batch& batch : batches) positions += batch.hidden.size(0) * batch.hidden.size(1);
    return positions;
  }

  const BlockStack& blocks_;
  std::vector<Batch> batches_;
  const GradientPassOptions& options_;
  PassContext& context_;
  KeptInputs kept_;
  std::vector<at::Tensor> gradients_;  // at the output of the next block on the way; undefined: left out
  int64_t positions_ = positions_of(batches_);
  at::Device device_ = batches_.empty() ? at::Device(torch::kCPU) : batches_[0].hidden.device();
};

}  // namespace

namespace {

// How far back the way goes: all the way for the ends.
size_t first_needed(const BlockStack& blocks, const HessianFiles& files) {
  return files.ends_missing() ? 0 : files.first_missing(blocks.first, blocks.count);
}

}  // namespace

uint64_t steps_of_gradient_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files) {
  const size_t first = first_needed(blocks, files);
  return first == blocks.count ? 0 : (2 * blocks.count - first + 1) * batches;
}

Status pass_with_gradients(const BlockStack& blocks, std::vector<Batch> batches, LastGradient last_gradient,
                           const GradientPassOptions& options, PassContext& context) {
  const size_t first = first_needed(blocks, context.files);
  if (first == blocks.count) return {};
  WayBack way(blocks, std::move(batches), options, context);
  NWC_RETURN_IF_ERROR(way.go_there(first));
  NWC_RETURN_IF_ERROR(way.turn(std::move(last_gradient)));
  for (size_t b = blocks.count; b-- > first;) NWC_RETURN_IF_ERROR(way.go_back_through(b));
  return context.files.ends_missing() ? way.end() : Status();
}

}  // namespace nwc
