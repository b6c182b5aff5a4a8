#include "model/encoders/encoder_model.h"

#include <utility>

#include "model/config/stored_names.h"
#include "model/families/family.h"

namespace nwc {
namespace {

template <class Part>
Result<std::shared_ptr<const Part>> shared(Result<Part> part) {
  if (!part) return std::move(part).error();
  return std::shared_ptr<const Part>(std::make_shared<Part>(*std::move(part)));
}

}  // namespace

Result<std::shared_ptr<const EncoderInput>> EncoderTower::input() const {
  return shared(EncoderInput::load(spec_, *source_));
}

Result<std::shared_ptr<const Block>> EncoderTower::block(size_t index) const {
  return shared(Block::load(spec_.blocks[index], *source_, nullptr));
}

Result<std::shared_ptr<const EncoderOutput>> EncoderTower::output() const {
  return shared(EncoderOutput::load(spec_, *source_));
}

EncoderModel::EncoderModel(EncoderModelSpec spec, std::shared_ptr<const ParameterSource> source)
    : spec_(std::move(spec)), source_(std::move(source)) {
  for (const EncoderSpec& tower : spec_.towers) towers_.emplace_back(tower, source_);
}

Result<EncoderModel> EncoderModel::open(const std::filesystem::path& directory, int threads, ModelDevice device,
                                        std::shared_ptr<DecodeBackend> backend) {
  NWC_ASSIGN_OR_RETURN(EncoderModelSpec described, describe_encoder_model(directory));
  NWC_ASSIGN_OR_RETURN(Weights weights, Weights::open(directory, std::move(backend)));
  NWC_ASSIGN_OR_RETURN(EncoderModelSpec spec, with_stored_names(std::move(described), weights));
  std::vector<std::string> warnings = weights.warnings();
  NWC_ASSIGN_OR_RETURN(EncoderModel model, create(std::move(spec), std::make_shared<const WeightsSource>(
                                                                       std::move(weights), threads, device)));
  model.warnings_ = std::move(warnings);
  return model;
}

Result<EncoderModel> EncoderModel::create(EncoderModelSpec spec, std::shared_ptr<const ParameterSource> source) {
  for (const TensorSpec& tensor : tensors_of(spec)) NWC_RETURN_IF_ERROR(source->check(tensor));
  return EncoderModel(std::move(spec), std::move(source));
}

const EncoderTower* EncoderModel::tower(std::string_view name) const {
  for (const EncoderTower& tower : towers_) {
    if (tower.spec().name == name) return &tower;
  }
  return nullptr;
}

Result<Similarity> EncoderModel::similarity() const {
  if (!spec_.similarity) {
    return Error(ErrorCode::kUnsupported, "a " + spec_.model_type + " model does not compare images with texts");
  }
  return Similarity::load(*spec_.similarity, *source_);
}

}  // namespace nwc
