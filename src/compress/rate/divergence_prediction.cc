#include "compress/rate/divergence_prediction.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "checkpoint/content_hash.h"
#include "checkpoint/run_identity.h"
#include "codec/codec_file.h"
#include "compress/codec_choice.h"
#include "compress/compress_plan.h"
#include "compress/compress_warnings.h"
#include "compress/rate/rate_control.h"
#include "guide/sensitivity.h"
#include "team/team.h"
#include "tensor/felt_error.h"
#include "tensor/tensor_sample.h"
#include "tensor/tensor_setup.h"

namespace nwc {
namespace {

constexpr uint64_t kParts = 1;  // of a tensor that are looked at: 256 rows

// What was measured beyond the sum of the quadratic forms, on models of 6.5, 28 and 135 M parameters (docs/results.md).
// Errors of tensors, and of a tensor at different positions, are not independent of each other, as the sum has it.
constexpr double kTogether = 1.18;
// Feedback is fitted to the calibration's tokens and does better on them than on others: of n inputs and N tokens, by
// about 1 + n / N.
double unseen_share(const FeltError& felt, bool feedback) { return feedback ? 1 + felt.inputs_per_token() : 1; }

}  // namespace

struct CompressionPredictor::State {
  CompressOptions options;
  Checkpoint checkpoint;
  HessianStore hessians;
  Selection selection;
  CompressPlan plan;
  EncodeOptions encode;
  std::unique_ptr<GuideSource> guides = nullptr;
  std::vector<SelectedTensor> tensors = {};
  std::unique_ptr<Team> team = make_solo_team();
  std::vector<std::string> warnings = {};
};

CompressionPredictor::CompressionPredictor(std::unique_ptr<State> state) : state_(std::move(state)) {}
CompressionPredictor::CompressionPredictor(CompressionPredictor&&) noexcept = default;
CompressionPredictor& CompressionPredictor::operator=(CompressionPredictor&&) noexcept = default;
CompressionPredictor::~CompressionPredictor() = default;

Result<CompressionPredictor> CompressionPredictor::open(const CompressOptions& options, const Progress& progress) {
  if (options.hessians.empty() || options.guide.steps != StepRule::kSensitivity) {
    return Error(ErrorCode::kInvalidArgument, "divergence is predicted from sensitivities")
        .remedy("give --hessians that nwcodec calibrate made with gradients, and no other --steps");
  }
  NWC_RETURN_IF_ERROR(check_options(options.encode));
  NWC_RETURN_IF_ERROR(check_options(options.guide));
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(options.model));
  NWC_ASSIGN_OR_RETURN(HessianStore hessians, HessianStore::open(options.hessians));
  NWC_ASSIGN_OR_RETURN(Selection selection, Selection::make(selection_of(options, &hessians), kind));
  auto state = std::make_unique<State>(
      State{options, std::move(checkpoint), std::move(hessians), std::move(selection), {}, options.encode});
  NWC_ASSIGN_OR_RETURN(
      state->plan, make_plan(state->checkpoint, state->selection, options.keep_nonfinite, options.threads, progress));
  if (state->plan.compressed_bytes == 0) return nothing_to_compress(state->checkpoint, state->selection);
  state->warnings = state->plan.warnings;
  state->encode.normalisation.model_rms = state->plan.rms();
  state->encode.normalisation.kind = Normalisation::kTensor;
  state->guides =
      std::make_unique<GuideSource>(&state->hessians, options.guide, state->encode.normalisation, options.threads);
  for (const WorkItem& item : work_items(state->plan)) {
    for (const WorkItem::Member& member : item.members)
      state->tensors.push_back({member.tensor, state->selection.stored_transposed(*member.tensor)});
  }
  NWC_ASSIGN_OR_RETURN(const double centre,
                       centre_of_spreads(state->tensors, *state->guides, options.threads, *state->team, progress));
  state->guides->set_centre(centre);
  return CompressionPredictor(std::move(state));
}

Result<double> CompressionPredictor::rate_asked() const {
  if (state_->options.size) return bits_for(*state_->options.size, state_->plan);
  if (state_->options.bits) return *state_->options.bits;
  return Error(ErrorCode::kInvalidArgument, "no rate is asked for").remedy("give --bits or --size");
}

void CompressionPredictor::identify(RunIdentity& identity) const {
  for (const ShardPlan& shard : state_->plan.shards)
    identity.add_hash("weights " + shard.file->path().filename().string(), shard.content);
  for (const SafetensorsFile& file : state_->hessians.files()) {
    identity.add_hash("hessians " + file.path().filename().string(),
                      checksummed_content_hash(file, state_->options.threads));
  }
}

Result<CompressionPrediction> CompressionPredictor::at(double bits, const Progress& progress) {
  State& s = *state_;
  const int threads = s.options.threads;
  EncoderCodec codec = codec_by_sensitivity(s.encode, bits);
  NWC_ASSIGN_OR_RETURN(RateChoice choice, choose_rate_by_sensitivity(s.tensors, codec, bits, s.encode, *s.guides,
                                                                     threads, nullptr, *s.team, progress, kParts));
  codec.decoder.tables.set = std::move(choice.tables);
  const Encoder encoder(codec, 0);
  EncodeOptions encode = s.encode;
  encode.normalisation.gain = choice.gain;
  CompressionPrediction prediction{.weights = s.plan.weights, .input_bytes = s.plan.input_bytes};
  prediction.warnings = s.warnings;
  double bytes = 0;
  for (const NamedTensor& tensor : decoder_tensors(codec.decoder)) bytes += static_cast<double>(tensor.bytes.size());
  prediction.tensors.resize(s.tensors.size());
  const TensorLoop loop{s.tensors, s.guides.get(), *s.team, false, threads, progress, "predicting the divergence"};
  NWC_RETURN_IF_ERROR(loop.run([&](size_t i, const WeightMatrix& weights) -> Status {
    const TensorView& view = *s.tensors[i].view;
    NWC_ASSIGN_OR_RETURN(const TensorGuide guide, s.guides->guide_of(view, weights, {}, nullptr));
    NWC_ASSIGN_OR_RETURN(const TensorSample sample, sample_tensor(weights, guide, encoder, encode, kParts, threads));
    PredictedTensor& line = prediction.tensors[i];
    line = {.name = view.name, .shape = view.shape, .weights = weights.elements()};
    line.bytes = estimated_bytes(sample, codec.decoder.tables.set, options_for(codec.decoder, encode).own_tables);
    NWC_ASSIGN_OR_RETURN(const std::optional<FeltError> felt, FeltError::of(s.hessians, view, weights));
    if (!felt) return {};
    NWC_ASSIGN_OR_RETURN(const double seen, sample_felt_error(weights, guide, encoder, encode, *felt, kParts, threads));
    line.divergence = kTogether * unseen_share(*felt, s.options.guide.feedback != Feedback::kNone) * seen;
    return {};
  }));
  for (const PredictedTensor& line : prediction.tensors) {
    bytes += line.bytes;
    if (line.divergence) prediction.divergence = prediction.divergence.value_or(0) + *line.divergence;
  }
  prediction.bits = 8 * bytes / static_cast<double>(s.plan.weights);
  prediction.file_bytes = bytes + fixed_bytes(s.plan);
  return prediction;
}

}  // namespace nwc
