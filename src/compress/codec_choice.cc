#include "compress/codec_choice.h"

#include "base/file.h"
#include "base/hash.h"
#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "compress/rate/rate_control.h"
#include "guide/sensitivity.h"

namespace nwc {
namespace {

Result<ChosenCodec> read_codec(const std::filesystem::path& path, double gain) {
  NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
  return ChosenCodec{path, xxh3(file.bytes()), std::move(codec), gain};
}

Result<ChosenCodec> choose_plain_codec(const CompressOptions& options, const EncodeOptions& encode,
                                       const std::vector<SelectedTensor>& tensors, GuideSource& guides, Team& team,
                                       const Progress& progress) {
  if (!options.bits) {
    return Error(ErrorCode::kInvalidArgument, "steps by sensitivity are found for a rate")
        .remedy("give --bits or --size");
  }
  NWC_ASSIGN_OR_RETURN(const double centre, centre_of_spreads(tensors, guides, options.threads, team, progress));
  guides.set_centre(centre);
  ChosenCodec chosen{"none", 0, codec_by_sensitivity(options.encode, *options.bits)};
  NWC_ASSIGN_OR_RETURN(RateChoice choice,
                       choose_rate_by_sensitivity(tensors, chosen.codec, *options.bits, encode, guides, options.threads,
                                                  options.device, team, progress));
  chosen.gain = choice.gain;
  chosen.codec.decoder.tables.set = std::move(choice.tables);
  return chosen;
}

}  // namespace

EncoderCodec codec_by_sensitivity(const EncodeOptions& encode, double bits) {
  const unsigned states = encode.trellis_states;
  const double octaves = octaves_for(bits, states > 0);
  return states > 0 ? trellis_codec(make_trellis(states), kCentreContext, octaves)
                    : plain_codec(kCentreContext, octaves, rule_by_lines(encode));
}

Result<ChosenCodec> choose_codec(const CompressOptions& options, const EncodeOptions& encode, const CompressPlan& plan,
                                 const Selection& selection, GuideSource* guides, Team& team,
                                 const Progress& progress) {
  if (plan.compressed_bytes == 0 && options.base) {  // any will do
    return ChosenCodec{"none", 0, codec_by_sensitivity(options.encode, options.bits.value_or(1.0)), 1.0};
  }
  std::vector<SelectedTensor> tensors;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.compressed) tensors.push_back({tensor, selection.stored_transposed(*tensor)});
  }
  if (guides != nullptr && guides->by_sensitivity())
    return choose_plain_codec(options, encode, tensors, *guides, team, progress);
  if (!options.bits) return read_codec(options.codecs[0], encode.normalisation.gain);
  std::vector<EncoderCodec> candidates;
  for (const std::filesystem::path& path : options.codecs) {
    NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
    candidates.push_back(std::move(codec));
  }
  NWC_ASSIGN_OR_RETURN(RateChoice choice, choose_rate(tensors, candidates, *options.bits, encode, guides,
                                                      options.threads, options.device, team, progress));
  NWC_ASSIGN_OR_RETURN(ChosenCodec chosen, read_codec(options.codecs[choice.codec], choice.gain));
  chosen.codec.decoder.tables.set = std::move(choice.tables);
  return chosen;
}

}  // namespace nwc
