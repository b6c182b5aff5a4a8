#include "compress/compress.h"

#include <algorithm>
#include <optional>

#include "checkpoint/index.h"
#include "checkpoint/resumable_directory.h"
#include "codec/codec.h"
#include "compress/assembly.h"
#include "compress/block_compressor.h"
#include "compress/codec_choice.h"
#include "compress/compress_identity.h"
#include "compress/compress_plan.h"
#include "compress/compress_run.h"
#include "compress/compress_warnings.h"
#include "compress/part_file.h"
#include "compress/pattern_warnings.h"
#include "compress/tensor_compressor.h"
#include "format/checkpoint_config.h"
#include "format/stream_header.h"
#include "nwcodec/version.h"
#include "team/team.h"
#include "tensor/device.h"
#include "weights/not_compressed.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

Status check_options(const CompressOptions& options) {
  NWC_RETURN_IF_ERROR(check_options(options.encode));
  NWC_RETURN_IF_ERROR(check_options(options.guide));
  if (options.bits && !(*options.bits > 0.1 && *options.bits <= 16))
    return Error(ErrorCode::kInvalidArgument, "the rate must lie between 0.1 and 16 bits");
  if (options.guide.steps == StepRule::kSensitivity && !options.hessians.empty()) return {};  // no codec
  if (options.codecs.empty() || (options.codecs.size() > 1 && !options.bits && !options.size)) {
    return Error(ErrorCode::kInvalidArgument, "compression needs one codec, or several and a rate to choose by");
  }
  return {};
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

SelectionOptions selection_of(const CompressOptions& options, const HessianStore* hessians) {
  SelectionOptions selection = options.selection;
  if (hessians != nullptr && options.guide.steps == StepRule::kSensitivity && !options.keep_embeddings)
    selection.also = hessians->ends();
  return selection;
}

unsigned format_version_of(const CompressOptions& options) {
  const bool by_sensitivity = !options.hessians.empty() && options.guide.steps == StepRule::kSensitivity;
  const ContextRule rule = by_sensitivity ? rule_by_lines(options.encode) : ContextRule::kLevelChannel;
  return std::max(traits_of(rule).version, options.base ? kDifferencesVersion : 1);
}

Result<CompressReport> compress_checkpoint(const CompressOptions& given, const Progress& progress,
                                           BlockCompressor* blocks, Team* team) {
  CompressOptions options = given;
  PlainBlockCompressor plain;
  if (blocks == nullptr) blocks = &plain;
  const std::unique_ptr<Team> alone = make_solo_team();
  if (team == nullptr) team = alone.get();

  CompressReport report;
  NWC_RETURN_IF_ERROR(check_options(options));
  NWC_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(options.model));
  std::optional<HessianStore> hessians;
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(options.hessians));
  }
  const bool by_sensitivity = hessians && options.guide.steps == StepRule::kSensitivity;
  if (by_sensitivity && options.guide.feedback == Feedback::kTwoSided && !hessians->has_output_side()) {
    return Error(ErrorCode::kNotFound, "was calibrated without the output side, which two-sided feedback needs")
        .in_file(options.hessians.string())
        .remedy("calibrate without --no-output-side, or choose --feedback columns");
  }
  NWC_ASSIGN_OR_RETURN(const Selection selection,
                       Selection::make(selection_of(options, hessians ? &*hessians : nullptr), kind));
  std::optional<ResumableDirectory> output;
  if (team->leads()) {
    std::vector<fs::path> inputs{options.model};
    if (options.base && !options.base->refines()) inputs.push_back(options.base->store->directory());
    NWC_ASSIGN_OR_RETURN(output,
                         ResumableDirectory::lock({.path = options.output, .inputs = inputs, .force = options.force}));
  }
  StageClock clock(report.stages);
  if (options.base) {
    clock.begin("taking differences");
    NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
    NWC_ASSIGN_OR_RETURN(report.differences, take_differences(checkpoint, *options.base, selection, options.threads));
  }
  clock.begin("checking weights");
  NWC_ASSIGN_OR_RETURN(CompressPlan plan,
                       make_plan(checkpoint, selection, options.keep_nonfinite, options.threads, progress));
  if (options.base && options.base->refines()) {  // what cannot be refined is as the layers below have it
    for (ShardPlan& shard : plan.shards) shard.plain.clear();
  }
  report.input_bytes = plan.input_bytes + (report.differences ? report.differences->unchanged_bytes : 0);
  if (options.size && plan.compressed_bytes > 0) {
    NWC_ASSIGN_OR_RETURN(options.bits, bits_for(*options.size, plan));
  }
  if (team->leads()) report.warnings = plan.warnings;
  if (team->leads() && report.differences) {
    const std::vector<std::string>& of_base = report.differences->warnings;
    report.warnings.insert(report.warnings.end(), of_base.begin(), of_base.end());
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> idle, pattern_warnings(checkpoint, options.selection));
  if (team->leads()) report.warnings.insert(report.warnings.end(), idle.begin(), idle.end());
  if (options.base && plan.compressed_bytes == 0) {
    // Nothing has changed, or nothing but what is stored plain.
  } else if (plan.compressed_bytes == 0 && plan.spared > 0) {  // each with a warning
    if (options.bits || options.size) {
      return Error(ErrorCode::kInvalidArgument, "has nothing to compress to a rate: " + plan.warnings.back())
          .in_file(options.model.string());
    }
  } else if (plan.compressed_bytes == 0 && !options.selection.exclude.empty() && !options.bits && !options.size) {
    if (team->leads()) report.warnings.push_back("nothing is compressed: no weight is left by --exclude");
  } else if (plan.compressed_bytes == 0) {
    return nothing_to_compress(checkpoint, selection);
  }

  if (options.level > 0 && !options.hessians.empty())
    return Error(ErrorCode::kInvalidArgument,
                 "levels come from the Hessians; a level for all columns goes without them");
  EncodeOptions encode_options = options.encode;
  encode_options.normalisation.model_rms = plan.rms();
  if (by_sensitivity) encode_options.normalisation.kind = Normalisation::kTensor;  // line scales have one base
  GuideSource guides(hessians ? &*hessians : nullptr, options.guide, encode_options.normalisation, options.threads,
                     options.device);
  clock.begin("choosing codec and gain");
  NWC_ASSIGN_OR_RETURN(const ChosenCodec chosen, choose_codec(options, encode_options, plan, selection,
                                                              hessians ? &guides : nullptr, *team, progress));
  const EncoderCodec& codec = chosen.codec;
  encode_options.normalisation.gain = report.gain = chosen.gain;
  report.codec = chosen.path;
  if (options.level >= codec.decoder.levels()) {
    return Error(ErrorCode::kInvalidArgument,
                 "has " + std::to_string(codec.decoder.levels()) + " levels, numbered from 0")
        .in_file(chosen.path.string());
  }
  std::shared_ptr<const DeviceQuantiser> quantiser;
  if (options.device != nullptr) {
    NWC_ASSIGN_OR_RETURN(quantiser, options.device->quantiser(codec));
  }
  const RunIdentity identity = identity_of(options, kind, plan, hessians ? &*hessians : nullptr, chosen, *blocks,
                                           quantiser == nullptr || quantiser->exact());
  const PartStore parts(ResumableDirectory::work_folder(options.output), identity.digest());
  const fs::path codec_path = options.output / kCodecFileName;
  if (output) {
    NWC_RETURN_IF_ERROR(output->begin(identity));
    if (team->size() > 1) output->keep_progress();  // others may complete blocks that this process does not know of
    NWC_RETURN_IF_ERROR(
        write_tensors(codec_path, decoder_tensors(codec.decoder),
                      {{kVersionKey, std::to_string(options.base ? kDifferencesVersion : version_of(codec.decoder))}}));
    NWC_RETURN_IF_ERROR(parts.create_directory());
  }
  NWC_RETURN_IF_ERROR(team->meet());
  NWC_ASSIGN_OR_RETURN(const Codec written_codec, Codec::open(codec_path));
  const Encoder encoder(codec, written_codec.id(), std::move(quantiser));
  const bool has_levels = options.level > 0 || (hessians && options.guide.levels && !by_sensitivity);
  clock.begin("compressing");
  const TensorCompressor tensors(selection, encoder, guides,
                                 {encode_options, options.level, has_levels, options.threads}, options.device);

  const std::vector<WorkItem> items = work_items(plan);
  const CompressRun run{options, checkpoint, plan, items, parts, *blocks, *team, progress, output ? &*output : nullptr};
  NWC_ASSIGN_OR_RETURN(const EarlierShards earlier, EarlierShards::find(run));
  NWC_ASSIGN_OR_RETURN(WorkDone work, work_through(run, earlier, tensors));
  append(report.warnings, earlier.warnings());
  append(report.warnings, work.warnings);
  NWC_RETURN_IF_ERROR(team->gather(work.found));
  report.blocks_from_earlier_run = static_cast<size_t>(std::count(work.found.begin(), work.found.end(), 1.0));
  if (output) {
    if (report.blocks_from_earlier_run > 0) output->keep_progress();
    NWC_RETURN_IF_ERROR(assemble_checkpoint(run, earlier, written_codec.id(), report));
    if (auto warning = unseen_experts_warning(report.tensors)) report.warnings.push_back(*std::move(warning));
  }
  clock.end();
  progress.at(plan.compressed_bytes, plan.compressed_bytes, "done");
  NWC_RETURN_IF_ERROR(team->meet());
  return report;
}

}  // namespace nwc
