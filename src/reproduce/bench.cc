#include "reproduce/bench.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "calibrate/calibrate.h"
#include "checkpoint/resumable_directory.h"
#include "guide/hessian_store.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// A name for a model's files that two models of one name do not share.
std::string label_of(const fs::path& model) {
  std::error_code ignored;
  const fs::path whole = fs::weakly_canonical(model, ignored);
  char digits[17];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(xxh3(whole.string())));
  return whole.filename().string() + "-" + digits;
}

}  // namespace

Result<std::unique_ptr<Bench>> Bench::open(const ReproductionOptions& options, const Progress& progress) {
  RunIdentity identity("study reproduce");
  const ReproductionProfile& p = options.profile;
  identity.add("profile", p.name);
  for (const fs::path& text : options.calibration)
    NWC_RETURN_IF_ERROR(identity.add_file("calibration " + text.filename().string(), text));
  NWC_RETURN_IF_ERROR(identity.add_file("wikitext", options.wikitext));
  if (!options.c4.empty()) NWC_RETURN_IF_ERROR(identity.add_file("c4", options.c4));
  NWC_ASSIGN_OR_RETURN(std::vector<Task> tasks, read_task_files(options.tasks, p.task_items));
  for (const Task& task : tasks) NWC_RETURN_IF_ERROR(identity.add_file("task " + task.name, task.file));
  for (const fs::path& codec : options.fast_codecs) identity.add("codec " + codec.filename().string(), "yes");
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  identity.add_weights("weights of", checkpoint, options.threads);
  for (const fs::path& other : options.others) {
    NWC_ASSIGN_OR_RETURN(const Checkpoint of_other, Checkpoint::open(other));
    identity.add_weights("weights of " + other.filename().string(), of_other, options.threads);
  }
  std::unique_ptr<Bench> bench(new Bench(options, std::move(identity)));
  bench->tasks_ = std::move(tasks);
  NWC_ASSIGN_OR_RETURN([[maybe_unused]] const Side* const side, bench->side(options.model, progress));
  return bench;
}

Result<const Bench::Side*> Bench::side(const fs::path& model, const Progress& progress) {
  if (const auto known = sides_.find(model); known != sides_.end()) return known->second.get();
  NWC_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::open(model / "tokenizer.json"));
  NWC_ASSIGN_OR_RETURN(PrefixToken prefix, prefix_token_of(model, tokenizer));
  auto side = std::make_unique<Side>(Side{std::move(tokenizer), std::move(prefix), {}});
  for (const fs::path* text : {&options_.wikitext, &options_.c4}) {
    if (text->empty()) continue;
    NWC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         side->tokenizer.encode_file(*text, /*add_special_tokens=*/true, progress));
    side->texts.push_back({*text, std::move(ids)});
  }
  const Side* const kept = side.get();
  sides_.emplace(model, std::move(side));
  return kept;
}

Result<fs::path> Bench::work(const std::string& name) const {
  const fs::path directory = options_.output / "work" / name;
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) return Error(ErrorCode::kIo, failed.message()).in_file(directory.string());
  return directory;
}

Result<fs::path> Bench::hessians(const fs::path& model, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const fs::path folder, work("hessians"));
  const fs::path directory = folder / label_of(model);
  std::error_code ignored;
  const bool unfinished = ResumableDirectory::is_unfinished(directory);
  if (fs::exists(directory, ignored) && !unfinished && HessianStore::open(directory)) return directory;
  NWC_ASSIGN_OR_RETURN(const Side* const side, this->side(model, progress));
  CalibrateOptions calibration;
  calibration.model = model;
  calibration.output = directory;
  calibration.sequences = profile().calibration_sequences;
  calibration.length = profile().calibration_length;
  calibration.gradients = calibration.outputs = true;
  calibration.threads = options_.threads;
  calibration.device = options_.device;
  std::vector<CalibrationText> texts;
  for (const fs::path& text : options_.calibration) {
    NWC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         side->tokenizer.encode_file(text, /*add_special_tokens=*/true, progress));
    texts.push_back({text.filename().string(), std::move(ids)});
  }
  NWC_ASSIGN_OR_RETURN([[maybe_unused]] const CalibrateReport report, calibrate(calibration, texts, progress));
  return directory;
}

Result<std::vector<ComparisonPoint>> Bench::compare(const Comparing& comparing, const Progress& progress) {
  ComparisonOptions options;
  options.model = comparing.model.value_or(options_.model);
  if (!comparing.data_free) {
    NWC_ASSIGN_OR_RETURN(options.hessians, hessians(options.model, progress));
  }
  options.methods = comparing.methods;
  options.bits = comparing.bits;
  options.windows = {.context = comparing.context > 0 ? comparing.context : profile().context,
                     .max_windows = profile().windows};
  if (comparing.measured) {
    NWC_ASSIGN_OR_RETURN(const Side* const side, this->side(options.model, progress));
    options.texts = side->texts;
    if (comparing.with_tasks) options.tasks = tasks_;
    options.tokenizer = &side->tokenizer;
    options.prefix = side->prefix;
  }
  options.selection = comparing.selection;
  options.codecs = comparing.codecs.empty() ? options_.fast_codecs : comparing.codecs;
  NWC_ASSIGN_OR_RETURN(options.output, work(comparing.name + "-" + label_of(options.model)));
  options.threads = options_.threads;
  options.device_name = options_.device_name;
  options.device = options_.device;
  NWC_ASSIGN_OR_RETURN(ComparisonReport report, run_comparison(options, progress));
  return std::move(report.points);
}

Result<fs::path> Bench::codec(double lambda, uint64_t seed, bool identity, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const fs::path folder, work("codecs"));
  char name[96];
  std::snprintf(name, sizeof name, "%s-%g-seed-%llu.safetensors", identity ? "identity" : "learned", lambda,
                static_cast<unsigned long long>(seed));
  TrainOptions train;
  train.models = {options_.model};
  train.output = folder / name;
  std::error_code ignored;
  if (fs::exists(train.output, ignored)) return train.output;
  train.lambda = lambda;
  train.seed = seed;
  train.identity = identity;
  train.analysis = train.synthesis = {profile().train_width, profile().train_depth};
  train.steps = profile().train_steps;
  train.batch = profile().train_batch;
  train.validate_every = std::max<int64_t>(1, train.steps / 4);
  train.device = options_.device_name == "cpu" ? TrainDevice::kCpu : TrainDevice::kCuda;
  train.threads = options_.threads;
  NWC_ASSIGN_OR_RETURN([[maybe_unused]] const TrainReport report, train_codec(train, progress, {}));
  return train.output;
}

Result<AblationReport> Bench::ablate(std::vector<AblationVariant> variants, const std::string& name,
                                     const Progress& progress) {
  if (const auto known = ablations_.find(name); known != ablations_.end()) return known->second;
  NWC_ASSIGN_OR_RETURN(const Side* const side, this->side(options_.model, progress));
  AblationOptions options;
  options.variants = std::move(variants);
  options.bits = profile().ablation_bits;
  NWC_ASSIGN_OR_RETURN(options.work, work(name));
  options.ids = side->texts[0].ids;
  options.windows = {.context = profile().context, .max_windows = profile().windows};
  options.threads = options_.threads;
  options.device = options_.device;
  NWC_ASSIGN_OR_RETURN(AblationReport report, run_ablation(options, progress));
  return ablations_[name] = std::move(report);
}

}  // namespace nwc
