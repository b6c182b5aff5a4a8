#include "calibrate/block_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/parallel.h"
#include "calibrate/block_moments.h"
#include "calibrate/finite_check.h"
#include "libtorch/foreign.h"

namespace nwc {
namespace {

// Elements of all batches in a call on a GPU: three of 2,048 positions in a model of 576 features.
constexpr int64_t kElementsTogether = int64_t{1} << 22;

Status pass_block(Lane& lane, size_t b, BlockMoments& moments, PassContext& context) {
  const size_t number = lane.blocks.first + b;
  NWC_ASSIGN_OR_RETURN(const auto block, lane.blocks.load(b));
  Block::Options forward;
  if (context.files.is_missing(number)) {
    forward.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) { moments.see(linear, x); };
  }
  for (const BatchGroup& group : groups_of(lane.batches, context.together)) {
    std::vector<size_t> indices;
    std::vector<at::Tensor> inputs;
    for (size_t i = group.first; i < group.first + group.count; ++i) {
      NWC_RETURN_IF_ERROR(context.step(number));
      indices.push_back(i);
      inputs.push_back(lane.batches[i].hidden);
    }
    const at::Tensor output = block->forward(joined(inputs), forward);
    moments.end_batch();
    if (!is_finite(output) || !moments.are_finite())
      return block_not_finite_in(lane, b, *block, indices, inputs, context);
    const std::vector<at::Tensor> outputs = parts_of(output, inputs);
    for (size_t i = 0; i < group.count; ++i) lane.batches[group.first + i].hidden = outputs[i];
  }
  return {};
}

}  // namespace

Status PassContext::step(size_t block) {
  NWC_RETURN_IF_ERROR(progress.check_stop());
  const std::lock_guard lock(mutex);
  progress.at(done++, total, fmt::format("block {}", block));
  return {};
}

size_t batches_together(ModelDevice device, int64_t elements) {
  return device.is_cpu() ? 1 : static_cast<size_t>(std::max<int64_t>(1, kElementsTogether / elements));
}

std::vector<BatchGroup> groups_of(const std::vector<Batch>& batches, size_t together) {
  std::vector<BatchGroup> groups;
  for (size_t i = 0; i < batches.size(); ++i) {
    const bool alike = !groups.empty() && groups.back().count < together &&
                       batches[i].hidden.sizes().slice(1) == batches[groups.back().first].hidden.sizes().slice(1);
    if (alike)
      ++groups.back().count;
    else
      groups.push_back({i, 1});
  }
  return groups;
}

at::Tensor joined(const std::vector<at::Tensor>& parts) { return parts.size() == 1 ? parts[0] : torch::cat(parts); }

std::vector<at::Tensor> parts_of(const at::Tensor& whole, const std::vector<at::Tensor>& like) {
  if (like.size() == 1) return {whole};
  std::vector<int64_t> sizes;
  for (const at::Tensor& part : like) sizes.push_back(part.size(0));
  return whole.split_with_sizes(sizes);
}

Error block_not_finite_in(const Lane& lane, size_t b, const Block& block, const std::vector<size_t>& indices,
                          const std::vector<at::Tensor>& inputs, const PassContext& context) {
  const torch::NoGradGuard no_gradients;
  size_t bad = 0;
  for (size_t i = 0; inputs.size() > 1 && i < inputs.size(); ++i) {
    if (is_finite(block.forward(inputs[i], {}))) continue;
    bad = i;
    break;
  }
  return block_not_finite(block, lane.blocks.spec(b), inputs[bad], lane.blocks.first + b,
                          lane.batches[indices[bad]].name, context.checkpoint);
}

Status in_each_lane(size_t lanes, const std::function<Status(size_t lane)>& body) {
  return parallel_for(lanes, static_cast<int>(lanes), [&](size_t lane, int) {
    return catch_foreign("calibration", [&]() -> Status {
      const torch::NoGradGuard no_gradients;
      return body(lane);
    });
  });
}

Result<std::vector<std::vector<size_t>>> deal_out(size_t count, size_t together, size_t lanes, Team& team) {
  std::vector<double> of_ranks(team.size(), 0.0);
  of_ranks[team.rank()] = static_cast<double>(lanes);
  NWC_RETURN_IF_ERROR(team.gather(of_ranks));
  size_t before = 0, all = 0;
  for (size_t rank = 0; rank < team.size(); ++rank) {
    if (rank < team.rank()) before += static_cast<size_t>(of_ranks[rank]);
    all += static_cast<size_t>(of_ranks[rank]);
  }
  std::vector<std::vector<size_t>> dealt(lanes);
  for (size_t lane = 0; lane < lanes; ++lane) {
    for (size_t first = (before + lane) * together; first < count; first += all * together) {
      for (size_t i = first; i < std::min(first + together, count); ++i) dealt[lane].push_back(i);
    }
  }
  return dealt;
}

uint64_t steps_of_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files) {
  return files.needed(blocks.first, blocks.count) * batches;
}

Status pass_blocks(std::vector<Lane> lanes, PassContext& context) {
  const BlockStack& blocks = lanes[0].blocks;
  const size_t needed = context.files.needed(blocks.first, blocks.count);
  for (size_t b = 0; b < needed; ++b) {
    std::vector<BlockMoments> moments(lanes.size(), BlockMoments(linears_of(blocks.spec(b))));
    NWC_RETURN_IF_ERROR(
        in_each_lane(lanes.size(), [&](size_t l) { return pass_block(lanes[l], b, moments[l], context); }));
    const size_t number = blocks.first + b;
    if (!context.files.is_missing(number)) continue;
    for (size_t l = 1; l < lanes.size(); ++l) moments[0].add(moments[l]);
    NWC_RETURN_IF_ERROR(moments[0].add_up(context.team));
    if (!context.files.writes()) continue;
    NWC_ASSIGN_OR_RETURN(HessianFile file, moments[0].file(context.checkpoint, context.files.provenance()));
    if (auto few = moments[0].few_tokens(number)) context.report.warnings.push_back(*std::move(few));
    context.report.hessians += file.hessians.size();
    NWC_RETURN_IF_ERROR(context.files.write(number, std::move(file)));
  }
  return {};
}

}  // namespace nwc
