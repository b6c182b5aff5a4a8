// `nwcodec calibrate`: the Hessian of every linear layer of a model on given texts or images (paper, Sections 3.2, A.2
// and A.4).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

struct CalibrationText {
  std::string name;          // for provenance and messages
  std::vector<int32_t> ids;  // of the whole text
};

struct CalibrateOptions {
  std::filesystem::path model;   // a plain checkpoint
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same calibration
  int64_t sequences = 128;       // of each text
  int64_t length = 2048;         // tokens of a sequence
  uint64_t seed = 1;
  bool force = false;  // replace the calibration that stands in `output`
  int threads = 0;
  ModelDevice device = {};  // where the model runs and its second moments are summed
};

struct CalibrateReport {
  int64_t sequences = 0, tokens = 0;  // of encoders: images and texts, positions
  size_t blocks = 0, blocks_from_earlier_run = 0, hessians = 0;
  std::vector<std::string> warnings;  // short texts; experts that saw few tokens; files that are made again
};

// Runs the sequences through the model block by block and writes one file per block (guide/hessian_store.h), each as
// soon as it is complete, so that an interrupted run goes on with the first block that is missing, and the sequences
// themselves (guide/calibration_sequences.h). Memory, on the device: the hidden states of all sequences, one block,
// its second moments in binary64. The same class of machines (libtorch/machine.h) gives the same bytes. Errors: those
// of the model; kInvalidArgument for a text shorter than one sequence; kNonFinite where activations stop being finite,
// by block, layer and sequence; kBusy, kExists (checkpoint/resumable_directory.h); kInterrupted.
Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                  const Progress& progress);

// The same for an encoder (CLIP, SigLIP, DINOv2) on the images, and texts, of a safetensors file
// (model/encoders/encoder_inputs.h): every position of every image and text counts. Blocks are numbered through the
// towers, images first. A tower that the file has no input for is left out, with a warning. `sequences`, `length` and
// `seed` are not used. Errors: those of the model and of the inputs; kBusy, kExists; kInterrupted.
Result<CalibrateReport> calibrate_encoder(const CalibrateOptions& options, const std::filesystem::path& inputs,
                                          const Progress& progress);

struct MergeReport {
  size_t blocks = 0, blocks_from_earlier_run = 0;
  std::vector<std::string> warnings;  // blocks that only some of the calibrations have; files that are made again
};

// Combines calibrations of the same model on different texts: second moments weighted by tokens, of each block those of
// the calibrations that have it, and all their sequences if each has them. An interrupted merge goes on like a
// calibration. Errors: kMismatch for other weights; kNotFound for an input that is not finished; kBusy, kExists.
Result<MergeReport> merge_calibrations(std::span<const std::filesystem::path> inputs,
                                       const std::filesystem::path& output, bool force);

}  // namespace nwc
