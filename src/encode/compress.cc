#include "encode/compress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <bit>
#include <map>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "checkpoint/checksums.h"
#include "checkpoint/index.h"
#include "checkpoint/output_directory.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/side_files.h"
#include "encode/compress_warnings.h"
#include "encode/normalisation.h"
#include "encode/rate_control.h"
#include "format/checkpoint_config.h"
#include "format/tiling.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kCopyPiece = 16u << 20;  // passthrough tensors are copied in pieces of this size

// What happens to each tensor of a shard.
struct ShardPlan {
  const SafetensorsFile* file;
  std::vector<const TensorView*> compressed, plain;
};

struct Plan {
  std::vector<ShardPlan> shards;
  uint64_t compressed_bytes = 0;  // of the originals, for progress
  uint64_t weights = 0;           // in them
  double squares = 0;             // of the weights

  double rms() const { return weights > 0 ? std::sqrt(squares / static_cast<double>(weights)) : 0.0; }
};

// Decides about every tensor and looks for weights that cannot be compressed, before anything is written.
Result<Plan> make_plan(const Checkpoint& checkpoint, const Selection& selection, const CompressOptions& options, CompressReport& report,
                       const Progress& progress) {
  Plan plan;
  uint64_t checked = 0, total = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : shard.tensors()) total += tensor.bytes.size();
  }
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    ShardPlan& shard_plan = plan.shards.emplace_back(ShardPlan{&shard, {}, {}});
    for (const TensorView& tensor : shard.tensors()) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      progress.at(checked, total, "checking weights");
      checked += tensor.bytes.size();
      if (tensor.name == kChecksumTensorName) continue;
      report.input_bytes += tensor.bytes.size();
      if (tensor.name.ends_with(kStreamSuffix) || tensor.name.ends_with(kScalesSuffix) || tensor.name.ends_with(kLevelsSuffix)) {
        return Error(ErrorCode::kInvalidArgument, "is part of a compressed checkpoint")
            .in_file(shard.path().string())
            .in_tensor(tensor.name)
            .remedy("compress the original, or decompress this one first");
      }
      bool compress = selection.wants(tensor);
      if (compress) {
        const WeightMatrix weights = WeightMatrix::of(tensor, selection.stored_transposed(tensor));
        Result<double> squares = sum_of_squares(weights, options.threads);
        shard.release(tensor);
        if (squares) {
          plan.weights += weights.elements();
          plan.squares += *squares;
        } else if (options.keep_nonfinite && squares.error().code() == ErrorCode::kNonFinite) {
          report.warnings.push_back(tensor.name + " is stored uncompressed: " + squares.error().message());
          compress = false;
        } else {
          return std::move(squares).error().in_file(shard.path().string());
        }
      }
      (compress ? shard_plan.compressed : shard_plan.plain).push_back(&tensor);
      if (compress) plan.compressed_bytes += tensor.bytes.size();
    }
    std::sort(shard_plan.compressed.begin(), shard_plan.compressed.end(),
              [](const TensorView* a, const TensorView* b) { return a->name < b->name; });
  }
  return plan;
}

struct ChosenCodec {
  fs::path path;
  EncoderCodec codec;
  double gain = 1.0;
};

// Equal for runs that must write the same bytes.
std::string fingerprint_of(const CompressOptions& options, const ChosenCodec& chosen, const Checkpoint& checkpoint, const HessianStore* hessians, uint64_t codec_hash) {
  std::string text = "compress " NWCODEC_VERSION_STRING " format " + std::to_string(kFormatVersion) + " codec " + hex64(codec_hash);
  text += " tile " + std::to_string(options.encode.tile_chunks) + " run " + std::to_string(options.encode.run_groups) + " own " +
          std::to_string(options.encode.own_tables) + " normalisation " + std::to_string(static_cast<int>(options.encode.normalisation.kind)) + " gain " +
          hex64(std::bit_cast<uint64_t>(chosen.gain)) + " keep-nonfinite " + std::to_string(options.keep_nonfinite);
  for (const NamedTensor& tensor : decoder_tensors(chosen.codec.decoder)) text += " " + hex64(xxh3(tensor.bytes));
  text += " level " + std::to_string(options.level);
  if (!options.hessians.empty()) {
    const GuideOptions& g = options.guide;
    text += " steps " + std::to_string(static_cast<int>(g.steps)) + " levels " + std::to_string(g.levels) + " feedback " + std::to_string(g.feedback) + " sensitivity " +
            std::to_string(static_cast<int>(g.importance.sensitivity)) + " damping " + hex64(std::bit_cast<uint64_t>(g.ldl.damping)) + " sort " + std::to_string(g.sort_columns) + " block " +
            std::to_string(g.ldl.block_size);
    for (const double share : g.importance.shares) text += " share " + hex64(std::bit_cast<uint64_t>(share));
    for (const SafetensorsFile& file : hessians->files()) text += " hessians " + hex64(xxh3(file.header_bytes()));
  }
  for (const std::string& p : options.selection.include) text += " include " + p;
  for (const std::string& p : options.selection.exclude) text += " exclude " + p;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    std::error_code error;
    const auto time = fs::last_write_time(shard.path(), error).time_since_epoch().count();
    text += " shard " + shard.path().filename().string() + " " + hex64(xxh3(shard.header_bytes())) + " " + std::to_string(time);
  }
  return "nwcodec " + hex64(xxh3(text)) + "\n";
}

// Whether a shard of an earlier run is whole: every byte of it has a checksum.
bool verifies(const fs::path& path) {
  const Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) return false;
  const Result<Checksums> checksums = Checksums::of(*file);
  if (!checksums) return false;
  return std::all_of(file->tensors().begin(), file->tensors().end(), [&](const TensorView& tensor) {
    const bool good = checksums->verify(tensor).ok();
    file->release(tensor);
    return good;
  });
}

class ShardWriter {
 public:
  ShardWriter(const Selection& selection, const Encoder& encoder, const EncodeOptions& options, const GuideSource& guides, unsigned level, bool has_levels,
              int threads, const Progress& progress, const Plan& plan)
      : selection_(selection), encoder_(encoder), options_(options), guides_(guides), level_(level), has_levels_(has_levels), threads_(threads), progress_(progress), plan_(plan) {}

  // Counts a shard that an earlier run wrote.
  void skip(const ShardPlan& shard) {
    for (const TensorView* tensor : shard.compressed) done_bytes_ += tensor->bytes.size();
  }

  Status write(const ShardPlan& shard, const fs::path& path, CompressReport& report) {
    std::vector<PlannedTensor> fixed;
    std::vector<std::string> growing;
    for (const TensorView* tensor : shard.plain) fixed.push_back({tensor->name, tensor->dtype, tensor->shape});
    for (const TensorView* tensor : shard.compressed) {
      const WeightMatrix weights = WeightMatrix::of(*tensor, selection_.stored_transposed(*tensor));
      fixed.push_back({tensor->name + kScalesSuffix, DType::kF16, {stored_scales(weights, options_.normalisation.kind)}});
      if (has_levels_) fixed.push_back({tensor->name + kLevelsSuffix, DType::kU8, {packed_level_bytes(weights.matrices * weights.columns, encoder_.codec().parts().levels())}});
      growing.push_back(tensor->name + kStreamSuffix);
    }
    std::map<std::string, std::string> metadata = shard.file->metadata();
    metadata[kVersionKey] = std::to_string(kFormatVersion);
    NWC_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                         SafetensorsWriter::create(path, std::move(fixed), std::move(growing), std::move(metadata), {.checksums = true}));
    for (const TensorView* tensor : shard.plain) {
      for (uint64_t at = 0; at < tensor->bytes.size(); at += kCopyPiece) {
        NWC_RETURN_IF_ERROR(progress_.check_stop());
        NWC_RETURN_IF_ERROR(writer.write(tensor->name, at, tensor->bytes.subspan(at, std::min(kCopyPiece, tensor->bytes.size() - at))));
        shard.file->release(*tensor);
      }
    }
    for (const TensorView* tensor : shard.compressed) {
      NWC_RETURN_IF_ERROR(progress_.check_stop());
      progress_.at(done_bytes_, plan_.compressed_bytes, tensor->name);
      const WeightMatrix weights = WeightMatrix::of(*tensor, selection_.stored_transposed(*tensor));
      const auto started = std::chrono::steady_clock::now();
      CompressedTensorReport line{.name = tensor->name, .shape = tensor->shape};
      NWC_ASSIGN_OR_RETURN(TensorGuide guide, guides_.guide_of(*tensor, weights, encoder_.level_errors(), &line.notes));
      if (level_ > 0) guide.levels.assign(weights.matrices * weights.columns, static_cast<uint8_t>(level_));
      Result<EncodedTensor> encoded = encode_tensor(weights, guide, encoder_, options_, threads_);
      if (!encoded) return std::move(encoded).error().in_file(shard.file->path().string()).in_tensor(tensor->name);
      NWC_RETURN_IF_ERROR(writer.write(tensor->name + kScalesSuffix, 0, encoded->scales));
      if (has_levels_) NWC_RETURN_IF_ERROR(writer.write(tensor->name + kLevelsSuffix, 0, encoded->levels));
      NWC_RETURN_IF_ERROR(writer.append(tensor->name + kStreamSuffix, encoded->stream));
      line.statistics = encoded->statistics;
      line.stream_bytes = encoded->stream.size();
      line.side_bytes = encoded->scales.size() + encoded->levels.size();
      line.columns_per_level.resize(encoder_.codec().parts().levels());
      for (const uint8_t l : guide.levels) ++line.columns_per_level[l];
      if (guide.levels.empty()) line.columns_per_level[0] = weights.matrices * weights.columns;
      line.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
      report.tensors.push_back(std::move(line));
      done_bytes_ += tensor->bytes.size();
      shard.file->release(*tensor);
    }
    return writer.finish();
  }

 private:
  const Selection& selection_;
  const Encoder& encoder_;
  const EncodeOptions& options_;
  const GuideSource& guides_;
  unsigned level_;
  bool has_levels_;
  int threads_;
  const Progress& progress_;
  const Plan& plan_;
  uint64_t done_bytes_ = 0;
};

Result<ChosenCodec> choose_codec(const CompressOptions& options, const EncodeOptions& encode, const Plan& plan, const Selection& selection, const GuideSource* guides, const Progress& progress) {
  std::vector<EncoderCodec> candidates;
  for (const fs::path& path : options.codecs) {
    NWC_ASSIGN_OR_RETURN(EncoderCodec codec, read_encoder_codec(path));
    candidates.push_back(std::move(codec));
  }
  if (!options.bits) return ChosenCodec{options.codecs[0], std::move(candidates[0]), encode.normalisation.gain};
  std::vector<SelectedTensor> tensors;
  for (const ShardPlan& shard : plan.shards) {
    for (const TensorView* tensor : shard.compressed) tensors.push_back({tensor, WeightMatrix::of(*tensor, selection.stored_transposed(*tensor))});
  }
  NWC_ASSIGN_OR_RETURN(RateChoice choice, choose_rate(tensors, candidates, *options.bits, encode, guides, options.threads, progress));
  EncoderCodec& codec = candidates[choice.codec];
  codec.decoder.tables.set = std::move(choice.tables);
  return ChosenCodec{options.codecs[choice.codec], std::move(codec), choice.gain};
}

}  // namespace

Result<CompressReport> compress_checkpoint(const CompressOptions& options, const Progress& progress) {
  CompressReport report;
  NWC_RETURN_IF_ERROR(check_options(options.encode));
  if (options.codecs.empty() || (options.codecs.size() > 1 && !options.bits)) {
    return Error(ErrorCode::kInvalidArgument, "compression needs one codec, or several and a rate to choose by");
  }
  if (options.bits && !(*options.bits > 0.1 && *options.bits <= 16)) return Error(ErrorCode::kInvalidArgument, "the rate must lie between 0.1 and 16 bits");
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const std::string model_type, read_model_type(options.model));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(options.selection, model_type));
  StageClock clock(report.stages);
  clock.begin("checking weights");
  NWC_ASSIGN_OR_RETURN(const Plan plan, make_plan(checkpoint, selection, options, report, progress));
  if (plan.compressed_bytes == 0 && !options.selection.exclude.empty() && !options.bits) {
    report.warnings.push_back("nothing is compressed: no weight is left by --exclude");
  } else if (plan.compressed_bytes == 0) {
    return Error(ErrorCode::kInvalidArgument, "has no linear weights to compress").in_file(options.model.string()).remedy("name tensors with --include");
  }

  if (options.level > 0 && !options.hessians.empty()) return Error(ErrorCode::kInvalidArgument, "levels come from the Hessians; a level for all columns goes without them");
  std::optional<HessianStore> hessians;
  if (!options.hessians.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(options.hessians));
  }
  EncodeOptions encode_options = options.encode;
  encode_options.normalisation.model_rms = plan.rms();
  const GuideSource guides(hessians ? &*hessians : nullptr, options.guide, encode_options.normalisation, options.threads);
  clock.begin("choosing codec and gain");
  NWC_ASSIGN_OR_RETURN(const ChosenCodec chosen, choose_codec(options, encode_options, plan, selection, hessians ? &guides : nullptr, progress));
  const EncoderCodec& codec = chosen.codec;
  encode_options.normalisation.gain = report.gain = chosen.gain;
  report.codec = chosen.path;
  if (options.level >= codec.decoder.levels()) {
    return Error(ErrorCode::kInvalidArgument, "has " + std::to_string(codec.decoder.levels()) + " levels, numbered from 0").in_file(chosen.path.string());
  }
  NWC_ASSIGN_OR_RETURN(const MappedFile codec_file, MappedFile::open(chosen.path));
  const std::string fingerprint = fingerprint_of(options, chosen, checkpoint, hessians ? &*hessians : nullptr, xxh3(codec_file.bytes()));
  NWC_ASSIGN_OR_RETURN(OutputDirectory output, OutputDirectory::open(options.output, options.model, fingerprint, options.force));
  const fs::path codec_path = output.path() / kCodecFileName;
  NWC_RETURN_IF_ERROR(write_tensors(codec_path, decoder_tensors(codec.decoder), {{kVersionKey, std::to_string(kFormatVersion)}}));
  NWC_ASSIGN_OR_RETURN(const Codec written_codec, Codec::open(codec_path));
  const Encoder encoder(codec, written_codec.id());

  const bool has_levels = options.level > 0 || (hessians && options.guide.levels);
  std::error_code ignored;
  clock.begin("compressing");
  ShardWriter writer(selection, encoder, encode_options, guides, options.level, has_levels, options.threads, progress, plan);
  WeightMap weight_map;
  uint64_t total_size = 0;
  report.output_bytes = fs::file_size(codec_path, ignored);
  for (const ShardPlan& shard : plan.shards) {
    const std::string name = shard.file->path().filename().string();
    const fs::path path = output.path() / name;
    if (output.has_from_earlier_run(name) && verifies(path)) {
      writer.skip(shard);
      ++report.shards_from_earlier_run;
    } else {
      NWC_RETURN_IF_ERROR(writer.write(shard, path, report));
      output.keep_progress();
    }
    NWC_ASSIGN_OR_RETURN(const SafetensorsFile written, SafetensorsFile::open(path));
    for (const TensorView& tensor : written.tensors()) {
      if (tensor.name != kChecksumTensorName) weight_map.emplace(tensor.name, name);
      total_size += tensor.bytes.size();
    }
    report.output_bytes += fs::file_size(path, ignored);
  }

  if (checkpoint.has_index()) NWC_RETURN_IF_ERROR(write_index(output.path(), total_size, weight_map));
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> dropped, copy_side_files(options.model, output.path(), {"config.json"}));
  report.warnings.insert(report.warnings.end(), dropped.begin(), dropped.end());
  for (auto& warning : {unseen_experts_warning(report.tensors), mxfp4_warning(checkpoint)}) {
    if (warning) report.warnings.push_back(*warning);
  }
  NWC_RETURN_IF_ERROR(write_compressed_config(options.model, output.path(), written_codec.id()));
  NWC_RETURN_IF_ERROR(output.finish());
  clock.end();
  progress.at(plan.compressed_bytes, plan.compressed_bytes, "done");
  return report;
}

}  // namespace nwc
