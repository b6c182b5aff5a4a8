// Encoders, part by part: each part is loaded when it is asked for and freed when the caller drops it, so that a pass
// over a tower needs the memory of one block and of the hidden states only.
//
//   NWC_ASSIGN_OR_RETURN(const EncoderModel model, EncoderModel::open(directory, 0));
//   const EncoderTower& vision = *model.tower("vision");
//   hidden = (*vision.input())->forward(pixels);
//   for (size_t i = 0; i < vision.blocks(); ++i) hidden = (*vision.block(i))->forward(hidden, {});
//   vectors = (*vision.output())->forward(hidden, pixels);
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libtorch/device.h"
#include "model/config/encoder_spec.h"
#include "model/encoders/encoder_ends.h"
#include "model/layers/block.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// One tower. Computes in float32, whatever the checkpoint stores. Errors: those of the source, by tensor name.
// Thread safety: const members may be called from several threads at once.
class EncoderTower {
 public:
  EncoderTower(EncoderSpec spec, std::shared_ptr<const ParameterSource> source)
      : spec_(std::move(spec)), source_(std::move(source)) {}

  const EncoderSpec& spec() const { return spec_; }
  size_t blocks() const { return spec_.blocks.size(); }
  Result<std::shared_ptr<const EncoderInput>> input() const;
  Result<std::shared_ptr<const Block>> block(size_t index) const;  // index < blocks()
  Result<std::shared_ptr<const EncoderOutput>> output() const;

 private:
  EncoderSpec spec_;
  std::shared_ptr<const ParameterSource> source_;
};

// Thread safety: const members may be called from several threads at once.
class EncoderModel {
 public:
  // Opens a checkpoint directory, plain or compressed; `threads` for decoding compressed tensors, <= 0 means all cores,
  // and `backend`, if there is one, decodes them instead. Its parts compute on `device`; what goes into them follows.
  // The presence and shape of every tensor are checked here. Errors: those of describe_encoder_model() and
  // Weights::open(); kNotFound and kMismatch by tensor name.
  static Result<EncoderModel> open(const std::filesystem::path& directory, int threads, ModelDevice device = {},
                                   std::shared_ptr<DecodeBackend> backend = nullptr);
  // The same from parts.
  static Result<EncoderModel> create(EncoderModelSpec spec, std::shared_ptr<const ParameterSource> source);

  const EncoderModelSpec& spec() const { return spec_; }
  const std::vector<std::string>& warnings() const { return warnings_; }  // Weights::warnings()
  const std::vector<EncoderTower>& towers() const { return towers_; }
  // nullptr if there is none of that name.
  const EncoderTower* tower(std::string_view name) const;
  // kUnsupported if the model does not compare images with texts.
  Result<Similarity> similarity() const;

 private:
  EncoderModel(EncoderModelSpec spec, std::shared_ptr<const ParameterSource> source);

  EncoderModelSpec spec_;
  std::shared_ptr<const ParameterSource> source_;
  std::vector<EncoderTower> towers_;
  std::vector<std::string> warnings_;
};

}  // namespace nwc
