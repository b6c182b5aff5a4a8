#include "compress/compress_identity.h"

#include "base/hash.h"
#include "checkpoint/content_hash.h"
#include "codec/codec_file.h"
#include "compress/block_compressor.h"
#include "nwcodec/version.h"
#include "tensor/device.h"

namespace nwc {
namespace {

void add_guide(const GuideOptions& guide, RunIdentity& identity) {
  identity.add("steps", guide.steps == StepRule::kSensitivity ? "sensitivity"
                        : guide.steps == StepRule::kWaterFill ? "water-fill"
                                                              : "levels");
  identity.add("levels", guide.levels);
  identity.add("feedback", name_of(guide.feedback));
  if (guide.feedback == Feedback::kTwoSided) identity.add("row shrinkage", guide.row_shrinkage);
  identity.add("sensitivity", guide.importance.sensitivity == Sensitivity::kInverse ? "inverse" : "diagonal");
  identity.add("damping", guide.ldl.damping);
  identity.add("sorted columns", guide.sort_columns);
  identity.add("block size", guide.ldl.block_size);
  for (size_t i = 0; i < guide.importance.shares.size(); ++i)
    identity.add("share " + std::to_string(i + 1), guide.importance.shares[i]);
}

}  // namespace

RunIdentity identity_of(const CompressOptions& options, const ModelKind& model, const CompressPlan& plan,
                        const HessianStore* hessians, const ChosenCodec& chosen, const BlockCompressor& blocks,
                        bool exact) {
  RunIdentity identity("compress");
  identity.add("format", format_version_of(options));
  // Options.
  if (options.bits) identity.add("bits", *options.bits);
  identity.add("tile chunks", options.encode.tile_chunks);
  identity.add("run groups", options.encode.run_groups);
  identity.add("own tables", options.encode.own_tables);
  identity.add("trellis states", options.encode.trellis_states);
  identity.add("rate weight", options.encode.rate_weight);
  identity.add("normalisation", name_of(options.encode.normalisation.kind));
  identity.add("keep-nonfinite", options.keep_nonfinite);
  identity.add("keep-embeddings", options.keep_embeddings);
  identity.add("level", options.level);
  if (hessians != nullptr) add_guide(options.guide, identity);
  for (const auto& [name, value] : options.added) identity.add(name, std::string_view(value));
  if (options.base) {
    identity.add_hash("base", options.base->difference.base);
    identity.add("layer", uint64_t{options.base->difference.layer});
    identity.add("base path", std::string_view(options.base->difference.base_path));
  }
  identity.add_each("include", options.selection.include);
  identity.add_each("exclude", options.selection.exclude);
  blocks.identify(identity);
  if (!exact) identity.add("device", std::string_view(options.device->name()));
  // What is read.
  identity.add("model_type", std::string_view(model.type));
  identity.add_each("inner model_type", model.inner_types);
  identity.add("hidden_size", model.hidden_size);
  for (const ShardPlan& shard : plan.shards)
    identity.add_hash("weights " + shard.file->path().filename().string(), shard.content);
  identity.add_hash("codec", chosen.content);
  if (hessians != nullptr) {
    for (const SafetensorsFile& file : hessians->files())
      identity.add_hash("hessians " + file.path().filename().string(), checksummed_content_hash(file, options.threads));
  }
  // What follows from these, if the choice of a rate is repeatable.
  identity.add("gain", chosen.gain);
  ContentHash tables;
  for (const NamedTensor& tensor : decoder_tensors(chosen.codec.decoder)) tables.add(tensor.bytes, 1);
  identity.add_hash("decoder", tables.value());
  return identity;
}

}  // namespace nwc
