// Takes batches through blocks and writes the Hessian of every linear layer on the way. Includes LibTorch: private to
// src/calibrate.
#pragma once

#include <fmt/format.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "calibrate/block_moments.h"
#include "calibrate/calibrate.h"
#include "calibrate/finite_check.h"
#include "calibrate/hessian_files.h"
#include "model/layers/block.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"

namespace nwc {

// Steps done and to be done, over all passes of a calibration.
struct PassProgress {
  const Progress& progress;
  uint64_t total = 0, done = 0;
};

// float32 [some, length, hidden], and what to call it: "sequence 3 of text.txt".
struct Batch {
  at::Tensor hidden;
  std::string name;
};

// `Model` is a CausalLm or the EncoderTower of a tower; its blocks are numbered from `first_block` in `files`.
// `batches` become the outputs of the last block that runs. Only blocks up to the last whose file is missing run, and
// only missing files are written, each as soon as it is complete. Errors: of loading; kNonFinite where activations stop
// being finite (calibrate/finite_check.h); kInterrupted; kIo.
template <class Model>
Status pass_blocks(const Model& model, std::vector<Batch>& batches, HessianFiles& files, size_t first_block,
                   const Checkpoint& checkpoint, PassProgress& steps, CalibrateReport& report) {
  const size_t needed = files.needed(first_block, model.blocks());
  for (size_t b = 0; b < needed; ++b) {
    NWC_ASSIGN_OR_RETURN(const auto block, model.block(b));
    const bool missing = files.is_missing(first_block + b);
    BlockMoments moments(linears_of(model.spec().blocks[b]));
    Block::Options forward;
    if (missing) forward.hook = [&](const LinearSpec& linear, const at::Tensor& x) { moments.see(linear, x); };
    for (Batch& batch : batches) {
      NWC_RETURN_IF_ERROR(steps.progress.check_stop());
      steps.progress.at(steps.done++, steps.total, fmt::format("block {}", first_block + b));
      const at::Tensor output = block->forward(batch.hidden, forward);
      moments.end_batch();
      if (!is_finite(output) || !moments.are_finite()) {
        return block_not_finite(*block, model.spec().blocks[b], batch.hidden, first_block + b, batch.name, checkpoint);
      }
      batch.hidden = output;
    }
    if (!missing) continue;
    NWC_ASSIGN_OR_RETURN(const HessianFile file, moments.file(checkpoint, files.provenance(), report.warnings));
    report.hessians += file.hessians.size();
    NWC_RETURN_IF_ERROR(files.write(first_block + b, file));
  }
  return {};
}

}  // namespace nwc
