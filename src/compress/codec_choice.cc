#include "compress/codec_choice.h"

#include "base/file.h"
#include "base/hash.h"
#include "compress/rate_control.h"

namespace nwc {
namespace {

Result<ChosenCodec> read_codec(const std::filesystem::path& path, double gain) {
  NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
  return ChosenCodec{path, xxh3(file.bytes()), std::move(codec), gain};
}

}  // namespace

Result<ChosenCodec> choose_codec(const CompressOptions& options, const EncodeOptions& encode, const CompressPlan& plan,
                                 const Selection& selection, const GuideSource* guides, Team& team,
                                 const Progress& progress) {
  if (!options.bits) return read_codec(options.codecs[0], encode.normalisation.gain);
  std::vector<EncoderCodec> candidates;
  for (const std::filesystem::path& path : options.codecs) {
    NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
    candidates.push_back(std::move(codec));
  }
  std::vector<SelectedTensor> tensors;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.compressed) tensors.push_back({tensor, selection.stored_transposed(*tensor)});
  }
  NWC_ASSIGN_OR_RETURN(RateChoice choice, choose_rate(tensors, candidates, *options.bits, encode, guides,
                                                      options.threads, options.device, team, progress));
  NWC_ASSIGN_OR_RETURN(ChosenCodec chosen, read_codec(options.codecs[choice.codec], choice.gain));
  chosen.codec.decoder.tables.set = std::move(choice.tables);
  return chosen;
}

}  // namespace nwc
