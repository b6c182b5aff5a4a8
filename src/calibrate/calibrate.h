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

class Team;

struct CalibrationText {
  std::string name;          // for provenance and messages
  std::vector<int32_t> ids;  // of the whole text
  // The model writes the text itself (calibrate/own_text.h), each document beginning with `ids`; if there are none,
  // with the token for the beginning of a text, if the model has one; then with any token. At most one text is so.
  bool own = false;
};

struct CalibrateOptions {
  std::filesystem::path model;   // a plain checkpoint
  std::filesystem::path output;  // must not exist, be empty, or hold an interrupted run of the same calibration
  int64_t sequences = 128;       // of each text
  int64_t length = 2048;         // tokens of a sequence
  int64_t held_out = 0;          // more sequences of the model's own text, stored and not calibrated on
  uint64_t seed = 1;
  bool gradients = false;  // walk backwards too, for the Fisher information (guide/hessian_file.h)
  bool outputs = false;    // with gradients: E[g g^T] whole, not its diagonal only
  bool force = false;      // replace the calibration that stands in `output`
  int threads = 0;
  ModelDevice device = {};                     // where the model runs and its second moments are summed
  std::vector<ModelDevice> more_devices = {};  // of the same kind, which share the sequences with `device`
  // Sequences that go through a block in one call, 1 or more; by default one on the CPU, on a GPU as many as make its
  // work worth its host's. Texts only.
  std::optional<size_t> together = {};
};

struct CalibrateReport {
  int64_t sequences = 0, tokens = 0;  // of encoders: images and texts, positions
  size_t blocks = 0, blocks_from_earlier_run = 0, hessians = 0;
  bool gradients = false;                  // walked backwards
  int64_t sequences_without_gradient = 0;  // left out on the way back, since their gradients were not finite
  std::vector<int32_t> held_out;           // the tokens of the model's own text that were held out
  // Short texts; experts that saw few tokens; files that are made again; why there are no gradients.
  std::vector<std::string> warnings;
};

// Runs the sequences through the model block by block and writes one file per block (guide/hessian_file.h), each as
// soon as it is complete, so that an interrupted run goes on with the first block that is missing, and the sequences
// themselves (guide/calibration_sequences.h). With gradients, once through all blocks and then back from the last, to
// the embedding, and a file for embedding and head; a model without a head has none, which is a warning. Labels are
// drawn from the model's own predictions by the seed. Memory, on the device:
// the hidden states of all sequences, one block, its second moments in binary64, with gradients also those of one
// sequence; beside the device, the inputs of all blocks, beyond 256 MiB in a file without a name in `output`. The same
// class of machines (libtorch/machine.h) gives the same bytes. Errors: those of the model; kInvalidArgument for a text
// shorter than one sequence; kNonFinite where activations stop being finite, by block, layer and sequence, or gradients
// in more than 1 % of the sequences; kBusy, kExists (checkpoint/resumable_directory.h); kInterrupted. Devices, and the
// processes of a team, take the sequences in turn, each with a block of its own in memory. They write the same bytes as
// one alone, because what they add up is exact (calibrate/second_moment.h); the report is the leading process's, which
// also writes the model's own text. kMismatch if a process has other arguments or computes on another class of
// machines.
Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                  const Progress& progress, Team* team = nullptr);

// The same for an encoder (CLIP, SigLIP, DINOv2) on the images, and texts, of a safetensors file
// (model/encoders/encoder_inputs.h): every position of every image and text counts. Blocks are numbered through the
// towers, images first. A tower that the file has no input for is left out, with a warning. `sequences` and
// `length` are not used. The gradients are those of an embedding with Gaussian noise (guide/hessian_file.h), `seed`
// decides the noise. Errors: those of the model and of the inputs; kBusy, kExists; kInterrupted.
Result<CalibrateReport> calibrate_encoder(const CalibrateOptions& options, const std::filesystem::path& inputs,
                                          const Progress& progress, Team* team = nullptr);

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
