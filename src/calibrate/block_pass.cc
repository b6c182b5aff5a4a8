#include "calibrate/block_pass.h"

#include <fmt/format.h>

#include <utility>

#include "base/parallel.h"
#include "calibrate/block_moments.h"
#include "calibrate/finite_check.h"
#include "libtorch/foreign.h"

namespace nwc {
namespace {

Status pass_block(Lane& lane, size_t b, BlockMoments& moments, PassContext& context) {
  const size_t number = lane.blocks.first + b;
  NWC_ASSIGN_OR_RETURN(const auto block, lane.blocks.load(b));
  Block::Options forward;
  if (context.files.is_missing(number)) {
    forward.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) { moments.see(linear, x); };
  }
  for (Batch& batch : lane.batches) {
    NWC_RETURN_IF_ERROR(context.step(number));
    const at::Tensor output = block->forward(batch.hidden, forward);
    moments.end_batch();
    if (!is_finite(output) || !moments.are_finite())
      return block_not_finite(*block, lane.blocks.spec(b), batch.hidden, number, batch.name, context.checkpoint);
    batch.hidden = output;
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

Status in_each_lane(size_t lanes, const std::function<Status(size_t lane)>& body) {
  return parallel_for(lanes, static_cast<int>(lanes), [&](size_t lane, int) {
    return catch_foreign("calibration", [&]() -> Status {
      const torch::NoGradGuard no_gradients;
      return body(lane);
    });
  });
}

Result<std::vector<std::vector<size_t>>> deal_out(size_t count, size_t lanes, Team& team) {
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
    for (size_t i = before + lane; i < count; i += all) dealt[lane].push_back(i);
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
    NWC_ASSIGN_OR_RETURN(const HessianFile file, moments[0].file(context.checkpoint, context.files.provenance()));
    if (auto few = moments[0].few_tokens(number)) context.report.warnings.push_back(*std::move(few));
    context.report.hessians += file.hessians.size();
    NWC_RETURN_IF_ERROR(context.files.write(number, file));
  }
  return {};
}

}  // namespace nwc
