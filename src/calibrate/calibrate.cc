#include "calibrate/calibrate.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/second_moment.h"
#include "calibrate/sequences.h"
#include "encode/calibration_sequences.h"
#include "encode/hessian_store.h"
#include "model/causal_lm.h"
#include "model/foreign.h"
#include "model/threads.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// An expert needs about as many tokens as it has inputs for a Hessian of full rank.
constexpr double kFewTokens = 1.0;

fs::path file_of(const fs::path& directory, size_t block) { return directory / fmt::format("hessians-{:05d}.safetensors", block); }

// What decides about the result, beside the weights.
Json provenance_of(const CalibrateOptions& options, std::span<const CalibrationText> texts) {
  Json list = Json::array();
  for (const CalibrationText& text : texts) {
    list.push_back({{"name", text.name}, {"tokens", text.ids.size()}, {"hash", hex64(xxh3(std::as_bytes(std::span(text.ids))))}});
  }
  return {{"texts", list}, {"sequences", options.sequences}, {"length", options.length}, {"seed", options.seed}};
}

// The second moments of a block's inputs while batches go through it.
class BlockMoments {
 public:
  explicit BlockMoments(std::vector<BlockLinear> linears) : linears_(std::move(linears)) {
    for (const BlockLinear& l : linears_) {
      if (l.input >= inputs_.size()) inputs_.emplace_back(l.linear.in_features);
    }
  }

  // Called for every linear layer in the order of linears_of(); of layers with a common input, the first counts.
  void see(const LinearSpec& linear, const at::Tensor& x) {
    const BlockLinear& known = next_of(linear);
    if (known.input == last_) return;
    last_ = known.input;
    inputs_[known.input].add(x);
  }
  void end_batch() {
    next_ = 0;
    last_ = SIZE_MAX;
  }

  HessianFile file(const Checkpoint& checkpoint, const Json& provenance, std::vector<std::string>& warnings) const {
    HessianFile file;
    file.calibration = provenance;
    std::map<size_t, size_t> of_input;            // input -> Hessian, for layers that are tensors of their own
    for (const BlockLinear& l : linears_) {
      const TensorView* tensor = checkpoint.find(l.linear.weight).tensor;
      if (file.weights.contains(l.linear.weight)) {  // another slice of a fused tensor
        append(file.hessians[file.weights[l.linear.weight].hessian], l, warnings);
        continue;
      }
      size_t index = file.hessians.size();
      if (!l.linear.slice && of_input.contains(l.input)) {
        index = of_input[l.input];
      } else {
        if (!l.linear.slice) of_input[l.input] = index;
        file.hessians.push_back({.features = static_cast<uint64_t>(l.linear.in_features)});
        append(file.hessians.back(), l, warnings);
      }
      file.weights[l.linear.weight] = {index, tensor == nullptr ? 0 : xxh3(tensor->bytes)};
    }
    return file;
  }

 private:
  const BlockLinear& next_of(const LinearSpec& linear) {
    // Experts without tokens are not announced: skip to the layer that is.
    while (linears_[next_].linear.weight != linear.weight || linears_[next_].linear.slice != linear.slice) ++next_;
    return linears_[next_++];
  }

  void append(StoredHessian& hessian, const BlockLinear& l, std::vector<std::string>& warnings) const {
    const SecondMoment& moment = inputs_[l.input];
    hessian.tokens.push_back(moment.tokens());
    moment.append_triangle(hessian.triangles);
    if (l.expert && static_cast<double>(moment.tokens()) < kFewTokens * static_cast<double>(l.linear.in_features)) {
      warnings.push_back(fmt::format("{}, expert {}: {} tokens for {} inputs{}", l.linear.weight, *l.expert, moment.tokens(), l.linear.in_features,
                                     moment.tokens() == 0 ? "; all inputs count alike" : "; damping makes up for the rest"));
    }
  }

  std::vector<BlockLinear> linears_;
  std::vector<SecondMoment> inputs_;
  size_t next_ = 0, last_ = SIZE_MAX;
};

// Whether a file is what this calibration would write for the block. An unreadable one counts as missing.
bool is_ours(const fs::path& path, const Json& provenance) {
  const Result<Json> calibration = read_calibration(path);
  return calibration && *calibration == provenance;
}

Result<CalibrateReport> run(const CalibrateOptions& options, std::span<const CalibrationText> texts, const Progress& progress) {
  if (options.sequences < 1 || options.length < 1) return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  NWC_ASSIGN_OR_RETURN(const CausalLm model, CausalLm::open(options.model, {.threads = options.threads}));
  if (options.length > model.spec().max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}", model.spec().max_positions, options.length))
        .in_file(options.model.string());
  }
  std::error_code error;
  fs::create_directories(options.output, error);
  if (error) return Error(ErrorCode::kIo, "cannot be created: " + error.message()).in_file(options.output.string());

  CalibrateReport report;
  const Json provenance = provenance_of(options, texts);
  size_t needed = 0;  // blocks to run: up to the last that is missing
  std::vector<bool> missing(model.blocks());
  for (size_t b = 0; b < model.blocks(); ++b) {
    const fs::path path = file_of(options.output, b);
    missing[b] = !is_ours(path, provenance);
    if (missing[b] && fs::exists(path) && !options.force) {
      return Error(ErrorCode::kExists, "is of another calibration, or damaged").in_file(path.string()).remedy("choose another directory, or pass --force");
    }
    if (missing[b]) needed = b + 1;
    report.blocks_from_earlier_run += missing[b] ? 0 : 1;
  }
  report.blocks = model.blocks();

  std::vector<at::Tensor> batches;
  CalibrationSequences drawn{.calibration = provenance};
  NWC_ASSIGN_OR_RETURN(auto embedding, model.embedding());
  for (const CalibrationText& text : texts) {
    Result<std::vector<int64_t>> begins = draw_sequences(text.ids, options.length, options.sequences, options.seed);
    if (!begins) return std::move(begins).error().in_file(text.name);
    if (static_cast<int64_t>(begins->size()) < options.sequences) {
      report.warnings.push_back(fmt::format("{} has only {} sequences of {} tokens", text.name, begins->size(), options.length));
    }
    std::vector<CalibrationSequences::Sequence>& of_text = drawn.texts.emplace_back();
    for (const int64_t begin : *begins) {
      of_text.emplace_back(text.ids.begin() + begin, text.ids.begin() + begin + options.length);
      const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(text.ids.data() + begin, static_cast<size_t>(options.length)), torch::kInt64).unsqueeze(0);
      batches.push_back(embedding->forward(ids));
    }
  }
  embedding.reset();  // only the blocks are needed from here on
  NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), drawn));
  report.sequences = static_cast<int64_t>(batches.size());
  report.tokens = report.sequences * options.length;

  const uint64_t total = needed * batches.size();
  uint64_t done = 0;
  for (size_t b = 0; b < needed; ++b) {
    NWC_ASSIGN_OR_RETURN(const auto block, model.block(b));
    BlockMoments moments(linears_of(model.spec().blocks[b]));
    Block::Options forward;
    if (missing[b]) forward.hook = [&](const LinearSpec& linear, const at::Tensor& x) { moments.see(linear, x); };
    for (at::Tensor& hidden : batches) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      progress.at(done++, total, fmt::format("block {}", b));
      hidden = block->forward(hidden, forward);
      moments.end_batch();
    }
    if (!missing[b]) continue;
    const HessianFile file = moments.file(checkpoint, provenance, report.warnings);
    report.hessians += file.hessians.size();
    NWC_RETURN_IF_ERROR(write_hessian_file(file_of(options.output, b), file));
  }
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts, const Progress& progress) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    return run(options, texts, progress);
  });
}

}  // namespace nwc
