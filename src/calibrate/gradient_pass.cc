#include "calibrate/gradient_pass.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "calibrate/block_fisher.h"
#include "calibrate/block_moments.h"
#include "calibrate/dropped_batches.h"
#include "calibrate/finite_check.h"

namespace nwc {
namespace {

// What a lane measures of one block.
struct Measured {
  BlockMoments moments;
  BlockFisher fisher;
};

// The way back of one lane, block by block.
class WayBack {
 public:
  WayBack(Lane lane, KeptInputs kept, DroppedBatches& dropped, PassContext& context)
      : lane_(std::move(lane)),
        context_(context),
        dropped_(dropped),
        kept_(std::move(kept)),
        groups_(groups_of(lane_.batches, context.together)),
        gradients_(lane_.batches.size()),
        device_(lane_.batches.empty() ? at::Device(torch::kCPU) : lane_.batches[0].hidden.device()) {}

  // Leaves the last block's outputs in the batches.
  Status go_there_through(size_t b, bool keep) {
    NWC_ASSIGN_OR_RETURN(const auto block, lane_.blocks.load(b));
    for (const BatchGroup& group : groups_) {
      Members members;
      for (size_t i = group.first; i < group.first + group.count; ++i) {
        NWC_RETURN_IF_ERROR(context_.step(number_of(b)));
        members.add(i, lane_.batches[i].hidden);
      }
      const std::vector<at::Tensor>& inputs = members.inputs;
      const at::Tensor output = block->forward(joined(inputs), {});
      if (!is_finite(output)) return not_finite(*block, b, members);
      const std::vector<at::Tensor> outputs = parts_of(output, inputs);
      for (size_t i = 0; i < group.count; ++i) {
        if (keep) NWC_RETURN_IF_ERROR(kept_.put(b, group.first + i, inputs[i]));
        lane_.batches[group.first + i].hidden = outputs[i];
      }
    }
    return {};
  }

  Status turn() {
    const LastGradient last_gradient = std::exchange(lane_.last_gradient, {});
    for (size_t i = 0; i < lane_.batches.size(); ++i) {
      Batch& batch = lane_.batches[i];
      NWC_RETURN_IF_ERROR(context_.step(number_of(lane_.blocks.count)));
      NWC_ASSIGN_OR_RETURN(gradients_[i], last_gradient(batch.index, batch.hidden));
      batch.hidden.reset();
      if (!is_finite(gradients_[i])) NWC_RETURN_IF_ERROR(drop(i, "of the output"));
    }
    return {};
  }

  Status go_back_through(size_t b, bool missing, Measured& measured) {
    NWC_ASSIGN_OR_RETURN(const auto block, lane_.blocks.load(b));
    for (const BatchGroup& group : groups_) {
      Members with, without;  // a gradient
      for (size_t i = group.first; i < group.first + group.count; ++i) {
        NWC_RETURN_IF_ERROR(context_.step(number_of(b)));
        NWC_ASSIGN_OR_RETURN(const at::Tensor kept, kept_.take(b, i));
        if (gradients_[i].defined())
          with.add(i, kept.to(device_));
        else if (missing)
          without.add(i, kept.to(device_));
      }
      if (!without.indices.empty()) NWC_RETURN_IF_ERROR(look_at(*block, b, without, measured.moments));
      if (!with.indices.empty())
        NWC_RETURN_IF_ERROR(go_back(*block, b, with, missing, missing ? &measured.moments : nullptr, measured.fisher));
    }
    return {};
  }

  // Tells the model's ends, whose head the turn has seen.
  Status arrive() {
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (gradients_[i].defined()) lane_.at_input(lane_.batches[i].index, gradients_[i]);
    }
    return {};
  }

 private:
  size_t number_of(size_t b) const { return lane_.blocks.first + b; }

  // Some of a lane's batches, and what goes into a block of them.
  struct Members {
    std::vector<size_t> indices;
    std::vector<at::Tensor> inputs;
    void add(size_t i, at::Tensor input) {
      indices.push_back(i);
      inputs.push_back(std::move(input));
    }
  };

  // There only: of batches that are left out on the way back.
  Status look_at(const Block& block, size_t b, const Members& members, BlockMoments& moments) {
    Block::Options watch;
    watch.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) { moments.see(linear, x); };
    block.forward(joined(members.inputs), watch);
    moments.end_batch();
    return moments.are_finite() ? Status() : Status(not_finite(block, b, members));
  }

  // `add`: to what the file holds; otherwise only what is to be left out is found, the same as where it was written.
  // `moments`: null where they have seen the batches.
  Status go_back(const Block& block, size_t b, const Members& members, bool add, BlockMoments* moments,
                 BlockFisher& fisher) {
    Block::Options watch;
    watch.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor& y) {
      if (moments != nullptr) moments->see(linear, x.detach());
      fisher.see(linear, x, y);
    };
    std::vector<at::Tensor> gradients;
    for (const size_t i : members.indices) gradients.push_back(gradients_[i]);
    at::Tensor hidden;
    {
      const torch::AutoGradMode recording(true);
      hidden = joined(members.inputs).clone().requires_grad_(true);
      const at::Tensor output = block.forward(hidden, watch);
      if (moments != nullptr) {
        moments->end_batch();
        if (!moments->are_finite()) return not_finite(block, b, members);
      }
      output.backward(joined(gradients));
    }
    const std::optional<std::string> layer = fisher.end_batch(add);
    if (layer && members.indices.size() > 1) {  // nothing of any of them has been added
      for (size_t m = 0; m < members.indices.size(); ++m) {
        const Members one{{members.indices[m]}, {members.inputs[m]}};
        NWC_RETURN_IF_ERROR(go_back(block, b, one, add, nullptr, fisher));
      }
      return {};
    }
    if (layer) return drop(members.indices[0], "at " + *layer);
    const std::vector<at::Tensor> parts = parts_of(hidden.grad(), members.inputs);
    const bool finite = is_finite(hidden.grad());
    for (size_t m = 0; m < parts.size(); ++m) {
      gradients_[members.indices[m]] = parts[m];
      if (!finite && !is_finite(parts[m])) NWC_RETURN_IF_ERROR(drop(members.indices[m], "at the block's input"));
    }
    return {};
  }

  Status drop(size_t i, const std::string& where) {
    gradients_[i].reset();
    return dropped_.drop(lane_.batches[i].index,
                         fmt::format("the gradient {} is not finite in {}", where, lane_.batches[i].name));
  }

  Error not_finite(const Block& block, size_t b, const Members& members) {
    return block_not_finite_in(lane_, b, block, members.indices, members.inputs, context_);
  }

  Lane lane_;
  PassContext& context_;
  DroppedBatches& dropped_;
  KeptInputs kept_;
  const std::vector<BatchGroup> groups_;
  std::vector<at::Tensor> gradients_;  // at the output of the next block on the way; undefined: left out
  at::Device device_;
};

uint64_t default_memory(const std::vector<Lane>& lanes) {
  const bool on_gpu = !lanes[0].batches.empty() && !lanes[0].batches[0].hidden.is_cpu();
  return on_gpu ? KeptInputs::memory_beside_gpu() : KeptInputs::kMemory;
}

// All lanes of this process, which wait for each other and for the other processes after every block.
class WaysBack {
 public:
  // `counts`: batches and positions, of all processes.
  WaysBack(std::vector<Lane> lanes, std::pair<size_t, int64_t> counts, const GradientPassOptions& options,
           PassContext& context)
      : blocks_(lanes[0].blocks),
        positions_(counts.second),
        options_(options),
        context_(context),
        dropped_(counts.first, context.checkpoint, context.report) {
    const uint64_t memory = options.memory.value_or(default_memory(lanes));
    for (size_t l = 0; l < lanes.size(); ++l) {
      KeptInputs kept(options.scratch, memory / lanes.size(), fmt::format("inputs-{}-{}", context.team.rank(), l));
      ways_.push_back(std::make_unique<WayBack>(std::move(lanes[l]), std::move(kept), dropped_, context));
    }
  }

  Status there(size_t first_kept) {
    return in_each_lane(ways_.size(), [&](size_t l) -> Status {
      for (size_t b = 0; b < blocks_.count; ++b) NWC_RETURN_IF_ERROR(ways_[l]->go_there_through(b, b >= first_kept));
      return {};
    });
  }

  Status turn() {
    NWC_RETURN_IF_ERROR(in_each_lane(ways_.size(), [&](size_t l) { return ways_[l]->turn(); }));
    return dropped_.settle(context_.team);
  }

  Status back_through(size_t b) {
    const size_t number = blocks_.first + b;
    const bool missing = context_.files.is_missing(number);
    const std::vector<BlockLinear> linears = linears_of(blocks_.spec(b));
    std::vector<Measured> measured(ways_.size(), {BlockMoments(linears), BlockFisher(linears, options_.outputs)});
    NWC_RETURN_IF_ERROR(
        in_each_lane(ways_.size(), [&](size_t l) { return ways_[l]->go_back_through(b, missing, measured[l]); }));
    NWC_RETURN_IF_ERROR(dropped_.settle(context_.team));
    return missing ? write(number, measured) : Status();
  }

  Status ends() {
    NWC_RETURN_IF_ERROR(in_each_lane(ways_.size(), [&](size_t l) { return ways_[l]->arrive(); }));
    NWC_ASSIGN_OR_RETURN(HessianFile file, options_.ends(positions_));
    return context_.files.write_ends(std::move(file));
  }

 private:
  Status write(size_t number, std::vector<Measured>& measured) {
    BlockMoments& moments = measured[0].moments;
    BlockFisher& fisher = measured[0].fisher;
    for (size_t l = 1; l < measured.size(); ++l) {
      moments.add(measured[l].moments);
      fisher.add(measured[l].fisher);
    }
    NWC_RETURN_IF_ERROR(moments.add_up(context_.team));
    NWC_RETURN_IF_ERROR(fisher.add_up(context_.team));
    if (!context_.files.writes()) return {};
    NWC_ASSIGN_OR_RETURN(HessianFile file, moments.file(context_.checkpoint, context_.files.provenance()));
    if (auto few = moments.few_tokens(number)) context_.report.warnings.push_back(*std::move(few));
    fisher.append_to(file);
    file.positions = positions_;
    context_.report.hessians += file.hessians.size();
    return context_.files.write(number, std::move(file));
  }

  const BlockStack blocks_;
  const int64_t positions_;
  const GradientPassOptions& options_;
  PassContext& context_;
  DroppedBatches dropped_;
  std::vector<std::unique_ptr<WayBack>> ways_;
};

// Batches and positions of all lanes of all processes.
Result<std::pair<size_t, int64_t>> count_all(const std::vector<Lane>& lanes, Team& team) {
  std::vector<double> counts(2, 0.0);
  for (const Lane& lane : lanes) {
    counts[0] += static_cast<double>(lane.batches.size());
    for (const Batch& batch : lane.batches)
      counts[1] += static_cast<double>(batch.hidden.size(0) * batch.hidden.size(1));
  }
  NWC_RETURN_IF_ERROR(team.gather(counts));
  return std::pair(static_cast<size_t>(counts[0]), static_cast<int64_t>(counts[1]));
}

// How far back the way goes: all the way for the ends.
size_t first_needed(const BlockStack& blocks, const HessianFiles& files) {
  return files.ends_missing() ? 0 : files.first_missing(blocks.first, blocks.count);
}

}  // namespace

uint64_t steps_of_gradient_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files) {
  const size_t first = first_needed(blocks, files);
  return first == blocks.count ? 0 : (2 * blocks.count - first + 1) * batches;
}

Status pass_with_gradients(std::vector<Lane> lanes, const GradientPassOptions& options, PassContext& context) {
  const size_t count = lanes[0].blocks.count, first = first_needed(lanes[0].blocks, context.files);
  if (first == count) return {};
  NWC_ASSIGN_OR_RETURN(const auto counts, count_all(lanes, context.team));
  WaysBack ways(std::move(lanes), counts, options, context);
  NWC_RETURN_IF_ERROR(ways.there(first));
  NWC_RETURN_IF_ERROR(ways.turn());
  for (size_t b = count; b-- > first;) NWC_RETURN_IF_ERROR(ways.back_through(b));
  return context.files.ends_missing() ? ways.ends() : Status();
}

}  // namespace nwc
