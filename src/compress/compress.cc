#include "compress/compress.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/output_directory.h"
#include "checkpoint/side_files.h"
#include "compress/assembly.h"
#include "compress/block_compressor.h"
#include "compress/compress_plan.h"
#include "compress/compress_warnings.h"
#include "compress/part_file.h"
#include "compress/rate_control.h"
#include "compress/tensor_compressor.h"
#include "format/checkpoint_config.h"
#include "format/stream_header.h"
#include "nwcodec/version.h"
#include "team/team.h"
#include "tensor/device.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr int kShardsTogether = 4;  // that are written at the same time

struct ChosenCodec {
  fs::path path;
  EncoderCodec codec;
  double gain = 1.0;
};

// Equal for runs that must write the same bytes.
std::string fingerprint_of(const CompressOptions& options, const ChosenCodec& chosen, const Checkpoint& checkpoint,
                           const HessianStore* hessians, uint64_t codec_hash, const BlockCompressor& blocks,
                           bool exact) {
  std::string text =
      "compress " NWCODEC_VERSION_STRING " format " + std::to_string(kFormatVersion) + " codec " + hex64(codec_hash);
  text += " tile " + std::to_string(options.encode.tile_chunks) + " run " + std::to_string(options.encode.run_groups) +
          " own " + std::to_string(options.encode.own_tables) + " normalisation " +
          std::to_string(static_cast<int>(options.encode.normalisation.kind)) + " gain " +
          hex64(std::bit_cast<uint64_t>(chosen.gain)) + " keep-nonfinite " + std::to_string(options.keep_nonfinite);
  for (const NamedTensor& tensor : decoder_tensors(chosen.codec.decoder)) text += " " + hex64(xxh3(tensor.bytes));
  text += " level " + std::to_string(options.level);
  if (!options.hessians.empty()) {
    const GuideOptions& g = options.guide;
    text += " steps " + std::to_string(static_cast<int>(g.steps)) + " levels " + std::to_string(g.levels) +
            " feedback " + std::to_string(g.feedback) + " sensitivity " +
            std::to_string(static_cast<int>(g.importance.sensitivity)) + " damping " +
            hex64(std::bit_cast<uint64_t>(g.ldl.damping)) + " sort " + std::to_string(g.sort_columns) + " block " +
            std::to_string(g.ldl.block_size);
    for (const double share : g.importance.shares) text += " share " + hex64(std::bit_cast<uint64_t>(share));
    for (const SafetensorsFile& file : hessians->files()) text += " hessians " + hex64(xxh3(file.header_bytes()));
  }
  for (const std::string& p : options.selection.include) text += " include " + p;
  for (const std::string& p : options.selection.exclude) text += " exclude " + p;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    std::error_code error;
    const auto time = fs::last_write_time(shard.path(), error).time_since_epoch().count();
    text += " shard " + shard.path().filename().string() + " " + hex64(xxh3(shard.header_bytes())) + " " +
            std::to_string(time);
  }
  text += " blocks " + blocks.fingerprint();
  if (!exact) text += " device " + options.device->name();
  return "nwcodec " + hex64(xxh3(text)) + "\n";
}

Result<ChosenCodec> choose_codec(const CompressOptions& options, const EncodeOptions& encode, const CompressPlan& plan,
                                 const Selection& selection, const GuideSource* guides, Team& team,
                                 const Progress& progress) {
  std::vector<EncoderCodec> candidates;
  for (const fs::path& path : options.codecs) {
    NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
    candidates.push_back(std::move(codec));
  }
  if (!options.bits) return ChosenCodec{options.codecs[0], std::move(candidates[0]), encode.normalisation.gain};
  std::vector<SelectedTensor> tensors;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.compressed)
      tensors.push_back({tensor, WeightMatrix::of(*tensor, selection.stored_transposed(*tensor))});
  }
  NWC_ASSIGN_OR_RETURN(RateChoice choice, choose_rate(tensors, candidates, *options.bits, encode, guides,
                                                      options.threads, options.device, team, progress));
  EncoderCodec& codec = candidates[choice.codec];
  codec.decoder.tables.set = std::move(choice.tables);
  return ChosenCodec{options.codecs[choice.codec], std::move(codec), choice.gain};
}

// Shards that an earlier run has completed, as the leading process saw it.
struct EarlierShards {
  std::vector<double> whole;  // of each shard: 1 if it is there and whole
  bool hold(const CompressPlan& plan, const SafetensorsFile* shard) const {
    for (size_t s = 0; s < plan.shards.size(); ++s) {
      if (plan.shards[s].file == shard) return whole[s] == 1.0;
    }
    return false;
  }
};

Result<EarlierShards> find_whole_shards(const CompressPlan& plan, const OutputDirectory* output, Team& team) {
  EarlierShards earlier{std::vector<double>(plan.shards.size(), 0.0)};
  for (size_t s = 0; output != nullptr && s < plan.shards.size(); ++s) {
    const std::string name = plan.shards[s].file->path().filename().string();
    if (!output->has_from_earlier_run(name)) continue;
    const Result<SafetensorsFile> file = SafetensorsFile::open(output->path() / name);
    if (file && verifies(*file)) earlier.whole[s] = 1.0;
  }
  NWC_RETURN_IF_ERROR(team.gather(earlier.whole));
  return earlier;
}

// Whether nothing of what an item gives is still wanted.
bool is_superseded(const WorkItem& item, const PartContents& contents, const EarlierShards& earlier,
                   const CompressPlan& plan, const Checkpoint& checkpoint) {
  return std::all_of(item.members.begin(), item.members.end(),
                     [&](const WorkItem::Member& member) { return earlier.hold(plan, member.shard); }) &&
         std::all_of(contents.replaced.begin(), contents.replaced.end(),
                     [&](const TensorView* tensor) { return earlier.hold(plan, checkpoint.find(tensor->name).shard); });
}

Status compress_item(const WorkItem& item, size_t number, const PartStore& parts, const Checkpoint& checkpoint,
                     const TensorCompressor& tensors, BlockCompressor& blocks, const CompressPlan& plan,
                     const Progress& progress) {
  const Progress inside{
      .report = [&](uint64_t done, uint64_t,
                    const std::string& what) { progress.at(item.begin + done, plan.compressed_bytes, what); },
      .stop = progress.stop};
  NWC_ASSIGN_OR_RETURN(PartWriter part, PartWriter::create(parts.path_of(number), parts.fingerprint(),
                                                           blocks.contents(item, checkpoint), tensors));
  NWC_RETURN_IF_ERROR(blocks.compress(item, tensors, part, inside));
  return part.finish();
}

// Claims items until there are none left. Returns, of each item, 1 if this process found it done.
Result<std::vector<double>> work_through(const std::vector<WorkItem>& items, const EarlierShards& earlier,
                                         const PartStore& parts, const Checkpoint& checkpoint,
                                         const TensorCompressor& tensors, BlockCompressor& blocks,
                                         const CompressPlan& plan, OutputDirectory* output, Team& team,
                                         const Progress& progress) {
  std::vector<double> found(items.size(), 0.0);
  for (;;) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    NWC_ASSIGN_OR_RETURN(const size_t number, team.claim());
    if (number >= items.size()) return found;
    const WorkItem& item = items[number];
    if (is_superseded(item, blocks.contents(item, checkpoint), earlier, plan, checkpoint) || parts.find(number)) {
      found[number] = 1.0;
      continue;
    }
    Status done = compress_item(item, number, parts, checkpoint, tensors, blocks, plan, progress);
    if (!done && done.error().code() == ErrorCode::kInterrupted) return done.error();
    if (!done) return std::move(done).error().in_tensor(item.name);
    if (output != nullptr) output->keep_progress();
  }
}

// Shards, index and everything else of the checkpoint, by the leading process.
Status assemble(const CompressOptions& options, const Checkpoint& checkpoint, const CompressPlan& plan,
                const std::vector<WorkItem>& items, const EarlierShards& earlier, const PartStore& store,
                uint64_t codec_id, OutputDirectory& output, CompressReport& report, const Progress& progress) {
  std::vector<Part> parts;
  for (size_t i = 0; i < items.size(); ++i) {
    if (std::optional<Part> part = store.find(i)) parts.push_back(std::move(*part));
  }
  PartIndex index;
  std::map<std::string, const CompressedTensorReport*> reports;
  for (const Part& part : parts) {
    index.add(part);
    for (const CompressedTensorReport& line : part.reports()) reports[line.name] = &line;
  }
  WeightMap weight_map;
  uint64_t total_size = 0;
  std::error_code ignored;
  report.output_bytes = fs::file_size(output.path() / kCodecFileName, ignored);
  NWC_RETURN_IF_ERROR(parallel_for(
      plan.shards.size(), std::min(kShardsTogether, resolve_threads(options.threads)), [&](size_t s, int) -> Status {
        if (earlier.whole[s] == 1.0) return {};
        return assemble_shard(plan.shards[s], index, output.path() / plan.shards[s].file->path().filename(), progress);
      }));
  for (const ShardPlan& shard : plan.shards) {
    const std::string name = shard.file->path().filename().string();
    const fs::path path = output.path() / name;
    for (const TensorView* tensor : shard.compressed) {
      if (const auto line = reports.find(tensor->name); line != reports.end()) report.tensors.push_back(*line->second);
    }
    NWC_ASSIGN_OR_RETURN(const SafetensorsFile written, SafetensorsFile::open(path));
    for (const TensorView& tensor : written.tensors()) {
      if (tensor.name != kChecksumTensorName) weight_map.emplace(tensor.name, name);
      total_size += tensor.bytes.size();
    }
    report.output_bytes += fs::file_size(path, ignored);
  }
  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(output.path(), total_size, weight_map));
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                       copy_side_files(options.model, output.path(), {"config.json"}));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  NWC_RETURN_IF_ERROR(write_compressed_config(options.model, output.path(), codec_id));
  NWC_RETURN_IF_ERROR(store.remove_all());
  return output.finish();
}

}  // namespace

Result<CompressReport> compress_checkpoint(const CompressOptions& options, const Progress& progress,
                                           BlockCompressor* blocks, Team* team) {
  PlainBlockCompressor plain;
  if (blocks == nullptr) blocks = &plain;
  const std::unique_ptr<Team> alone = make_solo_team();
  if (team == nullptr) team = alone.get();

  CompressReport report;
  NWC_RETURN_IF_ERROR(check_options(options.encode));
  if (options.codecs.empty() || (options.codecs.size() > 1 && !options.bits)) {
    return Error(ErrorCode::kInvalidArgument, "compression needs one codec, or several and a rate to choose by");
  }
  if (options.bits && !(*options.bits > 0.1 && *options.bits <= 16))
    return Error(ErrorCode::kInvalidArgument, "the rate must lie between 0.1 and 16 bits");
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const std::string model_type, read_model_type(options.model));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(options.selection, model_type));
  StageClock clock(report.stages);
  clock.begin("checking weights");
  NWC_ASSIGN_OR_RETURN(const CompressPlan plan,
                       make_plan(checkpoint, selection, options.keep_nonfinite, options.threads, progress));
  report.input_bytes = plan.input_bytes;
  report.warnings = plan.warnings;
  if (plan.compressed_bytes == 0 && !options.selection.exclude.empty() && !options.bits) {
    report.warnings.push_back("nothing is compressed: no weight is left by --exclude");
  } else if (plan.compressed_bytes == 0) {
    return Error(ErrorCode::kInvalidArgument, "has no linear weights to compress")
        .in_file(options.model.string())
        .remedy("name tensors with --include");
  }

  if (options.level > 0 && !options.hessians.empty())
    return Error(ErrorCode::kInvalidArgument,
                 "levels come from the Hessians; a level for all columns goes without them");
  std::optional<HessianStore> hessians;
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(options.hessians));
  }
  EncodeOptions encode_options = options.encode;
  encode_options.normalisation.model_rms = plan.rms();
  const GuideSource guides(hessians ? &*hessians : nullptr, options.guide, encode_options.normalisation,
                           options.threads, options.device);
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
  NWC_ASSIGN_OR_RETURN(const MappedFile codec_file, MappedFile::open(chosen.path));
  const std::string fingerprint =
      fingerprint_of(options, chosen, checkpoint, hessians ? &*hessians : nullptr, xxh3(codec_file.bytes()), *blocks,
                     quantiser == nullptr || quantiser->exact());
  const PartStore parts(options.output / kWorkFolder, fingerprint);
  const fs::path codec_path = options.output / kCodecFileName;
  std::optional<OutputDirectory> output;
  if (team->leads()) {
    NWC_ASSIGN_OR_RETURN(output, OutputDirectory::open(options.output, options.model, fingerprint, options.force));
    if (team->size() > 1) output->keep_progress();  // others may complete blocks that this process does not know of
    NWC_RETURN_IF_ERROR(
        write_tensors(codec_path, decoder_tensors(codec.decoder), {{kVersionKey, std::to_string(kFormatVersion)}}));
    NWC_RETURN_IF_ERROR(parts.create_directory());
  }
  NWC_RETURN_IF_ERROR(team->meet());
  NWC_ASSIGN_OR_RETURN(const Codec written_codec, Codec::open(codec_path));
  const Encoder encoder(codec, written_codec.id(), std::move(quantiser));
  const bool has_levels = options.level > 0 || (hessians && options.guide.levels);
  clock.begin("compressing");
  const TensorCompressor tensors(selection, encoder, guides,
                                 {encode_options, options.level, has_levels, options.threads}, options.device);

  const std::vector<WorkItem> items = work_items(plan);
  OutputDirectory* const own_output = output ? &*output : nullptr;
  NWC_ASSIGN_OR_RETURN(const EarlierShards earlier, find_whole_shards(plan, own_output, *team));
  NWC_ASSIGN_OR_RETURN(std::vector<double> found, work_through(items, earlier, parts, checkpoint, tensors, *blocks,
                                                               plan, own_output, *team, progress));
  NWC_RETURN_IF_ERROR(team->gather(found));
  report.blocks_from_earlier_run = static_cast<size_t>(std::count(found.begin(), found.end(), 1.0));
  if (output) {
    if (report.blocks_from_earlier_run > 0) output->keep_progress();
    NWC_RETURN_IF_ERROR(
        assemble(options, checkpoint, plan, items, earlier, parts, written_codec.id(), *output, report, progress));
    for (auto& warning : {unseen_experts_warning(report.tensors), mxfp4_warning(checkpoint)}) {
      if (warning) report.warnings.push_back(*warning);
    }
  }
  clock.end();
  progress.at(plan.compressed_bytes, plan.compressed_bytes, "done");
  NWC_RETURN_IF_ERROR(team->meet());
  return report;
}

}  // namespace nwc
