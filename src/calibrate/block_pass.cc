#include "calibrate/block_pass.h"

#include <fmt/format.h>

#include "calibrate/block_moments.h"
#include "calibrate/finite_check.h"

namespace nwc {

Status PassContext::step(size_t block) {
  NWC_RETURN_IF_ERROR(progress.check_stop());
  progress.at(done++, total, fmt::format("block {}", block));
  return {};
}

uint64_t steps_of_pass(const BlockStack& blocks, size_t batches, const HessianFiles& files) {
  return files.needed(blocks.first, blocks.count) * batches;
}

Status pass_blocks(const BlockStack& blocks, std::vector<Batch> batches, PassContext& context) {
  const size_t needed = context.files.needed(blocks.first, blocks.count);
  for (size_t b = 0; b < needed; ++b) {
    const size_t number = blocks.first + b;
    NWC_ASSIGN_OR_RETURN(const auto block, blocks.load(b));
    const bool missing = context.files.is_missing(number);
    BlockMoments moments(linears_of(blocks.spec(b)));
    Block::Options forward;
    if (missing) {
      forward.hook = [&](const LinearSpec& linear, const at::Tensor& x, const at::Tensor&) { moments.see(linear, x); };
    }
    for (Batch& batch : batches) {
      NWC_RETURN_IF_ERROR(context.step(number));
      const at::Tensor output = block->forward(batch.hidden, forward);
      moments.end_batch();
      if (!is_finite(output) || !moments.are_finite())
        return block_not_finite(*block, blocks.spec(b), batch.hidden, number, batch.name, context.checkpoint);
      batch.hidden = output;
    }
    if (!missing) continue;
    NWC_ASSIGN_OR_RETURN(const HessianFile file,
                         moments.file(context.checkpoint, context.files.provenance(), context.report.warnings));
    context.report.hessians += file.hessians.size();
    NWC_RETURN_IF_ERROR(context.files.write(number, file));
  }
  return {};
}

}  // namespace nwc
