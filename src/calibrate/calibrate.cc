#include "calibrate/calibrate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/hash.h"
#include "base/parallel.h"
#include "calibrate/block_pass.h"
#include "calibrate/calibration_identity.h"
#include "calibrate/drawn_texts.h"
#include "calibrate/ends_fisher.h"
#include "calibrate/finite_check.h"
#include "calibrate/gradient_pass.h"
#include "calibrate/hessian_files.h"
#include "calibrate/labels.h"
#include "guide/calibration_sequences.h"
#include "libtorch/foreign.h"
#include "libtorch/machine.h"
#include "libtorch/tensors.h"
#include "libtorch/threads.h"
#include "model/causal_lm.h"
#include "model/families/family.h"

namespace nwc {
namespace {

std::string hash_of(std::span<const int32_t> ids) { return hex64(xxh3(std::as_bytes(ids))); }

// Of the model's own text.
Json provenance_of(const CalibrationText& text, const CalibrateOptions& options, const DrawnTexts::Text& drawn) {
  std::vector<int32_t> ids;
  for (const auto& sequence : drawn.sequences) ids.insert(ids.end(), sequence.begin(), sequence.end());
  return {{"name", text.name},    {"own", true},         {"beginning", text.ids}, {"held_out", options.held_out},
          {"tokens", ids.size()}, {"hash", hash_of(ids)}};
}

// What the files say they were made from.
Json provenance_of(const CalibrateOptions& options, std::span<const CalibrationText> texts, const DrawnTexts& drawn) {
  Json list = Json::array();
  for (size_t i = 0; i < texts.size(); ++i) {
    list.push_back(
        texts[i].own ? provenance_of(texts[i], options, drawn.texts[i])
                     : Json{{"name", texts[i].name}, {"tokens", texts[i].ids.size()}, {"hash", hash_of(texts[i].ids)}});
  }
  Json provenance = {
      {"texts", list}, {"sequences", options.sequences}, {"length", options.length}, {"seed", options.seed}};
  add_gradients(options, provenance);
  if (!options.device.is_cpu()) provenance["device"] = "cuda";  // whose sums round differently
  provenance["machine"] = machine_class(options.device);
  return provenance;
}

Result<RunIdentity> identity_of(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                const Checkpoint& checkpoint) {
  RunIdentity identity("calibrate");
  identity.add("sequences", options.sequences);
  identity.add("length", options.length);
  identity.add("seed", options.seed);
  add_gradients(options, identity);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text =
        texts[i].own ? fmt::format("its own after [{}], {} held out", fmt::join(texts[i].ids, " "), options.held_out)
                     : fmt::format("{} tokens, {}", texts[i].ids.size(), hash_of(texts[i].ids));
    identity.add(fmt::format("text {}", i + 1), std::string_view(text));
  }
  NWC_RETURN_IF_ERROR(add_model(options.model, checkpoint, options.device, options.threads, identity));
  return identity;
}

// With the head if there are to be gradients. A model that has none is opened without, `options` then want none.
Result<CausalLm> open_model(CalibrateOptions& options, std::vector<std::string>& warnings) {
  const auto open = [&](bool head) {
    return CausalLm::open(options.model, {.head = head, .threads = options.threads, .device = options.device});
  };
  Result<CausalLm> model = open(options.gradients);
  if (model || !options.gradients || model.error().code() != ErrorCode::kNotFound) return model;
  Result<CausalLm> without = open(false);
  if (!without) return without;
  warnings.push_back(
      fmt::format("calibrated without gradients: {} {}", model.error().tensor(), model.error().message()));
  options.gradients = false;
  return without;
}

// The sequences of all texts, one after another.
struct Sequences {
  std::vector<Batch> batches;  // at the first block's input
  std::vector<CalibrationSequences::Sequence> tokens;
  std::vector<int64_t> written;  // as in DrawnTexts::Text
};

Result<Sequences> embed(const DrawnTexts& drawn, std::span<const CalibrationText> texts, const CausalLm& model,
                        const Checkpoint& checkpoint) {
  Sequences sequences;
  NWC_ASSIGN_OR_RETURN(const auto embedding, model.embedding());
  for (size_t i = 0; i < texts.size(); ++i) {
    size_t number = 0;
    for (const CalibrationSequences::Sequence& tokens : drawn.texts[i].sequences) {
      const at::Tensor ids = torch::tensor(at::ArrayRef<int32_t>(tokens), torch::kInt64).unsqueeze(0);
      sequences.batches.push_back({embedding->forward(ids), fmt::format("sequence {} of {}", ++number, texts[i].name)});
      if (!is_finite(sequences.batches.back().hidden))
        return input_not_finite(sequences.batches.back().name, model.spec().embedding, checkpoint);
      sequences.tokens.push_back(tokens);
      sequences.written.push_back(drawn.texts[i].written);
    }
  }
  return sequences;
}

Status pass(const CalibrateOptions& options, const CausalLm& model, Sequences sequences, PassContext& context) {
  std::vector<Batch> batches = std::move(sequences.batches);
  const BlockStack blocks = BlockStack::of(model, 0);
  if (!options.gradients) {
    context.total = steps_of_pass(blocks, batches.size(), context.files);
    return pass_blocks(blocks, std::move(batches), context);
  }
  context.total = steps_of_gradient_pass(blocks, batches.size(), context.files);
  EndsFisher ends(model.spec());
  const HeadWatch watch = [&](const at::Tensor& x, const at::Tensor& g) { ends.see_head(x, g); };
  LastGradient last = [&, head = std::shared_ptr<const Head>()](
                          size_t index, const at::Tensor& output) mutable -> Result<at::Tensor> {
    if (head == nullptr) {
      NWC_ASSIGN_OR_RETURN(head, model.head());
    }
    const uint64_t seed = label_seed(options.seed, index);
    const int64_t written = sequences.written[index];
    return gradient_of_labels(
        *head, model.spec().vocab_size, output,
        written > 0 ? following_tokens(sequences.tokens[index], written, seed) : drawn_labels(seed),
        context.files.ends_missing() ? watch : HeadWatch());
  };
  GradientPassOptions pass_options{.scratch = options.output, .outputs = options.outputs};
  pass_options.at_input = [&](size_t index, const at::Tensor& gradient) {
    ends.see_embedding(torch::tensor(at::ArrayRef<int32_t>(sequences.tokens[index]), torch::kInt64), gradient);
  };
  pass_options.ends = [&](int64_t positions) {
    return ends.file(context.checkpoint, context.files.provenance(), positions);
  };
  return pass_with_gradients(blocks, std::move(batches), std::move(last), pass_options, context);
}

// With what the model's own text begins with, where the tokenizer did not say.
Result<std::vector<CalibrationText>> with_beginnings(std::span<const CalibrationText> texts, const ModelSpec& model,
                                                     const std::filesystem::path& directory) {
  std::vector<CalibrationText> complete(texts.begin(), texts.end());
  for (CalibrationText& text : complete) {
    if (!text.own || !text.ids.empty()) continue;
    NWC_ASSIGN_OR_RETURN(const std::optional<int32_t> token, beginning_token(directory, model.vocab_size));
    if (token) text.ids.push_back(*token);
  }
  return complete;
}

Result<CalibrateReport> run(CalibrateOptions options, std::span<const CalibrationText> given,
                            const Progress& progress) {
  if (options.sequences < 1 || options.length < 1)
    return Error(ErrorCode::kInvalidArgument, "there must be at least one sequence of one token");
  set_compute_threads(resolve_threads(options.threads));
  NWC_ASSIGN_OR_RETURN(ResumableDirectory output, lock_hessians(options.output, {options.model}, options.force));
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(options.model));
  CalibrateReport report;
  NWC_ASSIGN_OR_RETURN(const CausalLm model, open_model(options, report.warnings));
  report.gradients = options.gradients;
  if (options.length > model.spec().max_positions) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("the model was made for {} positions, fewer than --length {}",
                                                          model.spec().max_positions, options.length))
        .in_file(options.model.string());
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<CalibrationText> texts, with_beginnings(given, model.spec(), options.model));
  NWC_ASSIGN_OR_RETURN(const RunIdentity identity, identity_of(options, texts, checkpoint));
  NWC_RETURN_IF_ERROR(output.begin(identity));
  const auto provenance_with = [&](const DrawnTexts& drawn) { return provenance_of(options, texts, drawn); };
  std::vector<std::string> of_texts;
  NWC_ASSIGN_OR_RETURN(const DrawnTexts drawn, draw_texts(options, texts, output, provenance_with, progress, of_texts));
  const Json provenance = provenance_with(drawn);
  HessianFiles files = HessianFiles::open(std::move(output), model.blocks(), provenance, options.gradients);
  for (const std::vector<std::string>* list : {&checkpoint.notes(), &files.warnings()})
    report.warnings.insert(report.warnings.end(), list->begin(), list->end());
  report.blocks = files.blocks();
  report.blocks_from_earlier_run = files.from_earlier_run();

  report.warnings.insert(report.warnings.end(), of_texts.begin(), of_texts.end());
  NWC_ASSIGN_OR_RETURN(Sequences sequences, embed(drawn, texts, model, checkpoint));
  NWC_RETURN_IF_ERROR(write_sequences(sequences_file(options.output), drawn.to_be_stored(provenance)));
  for (const auto& held_out : drawn.held_out)
    report.held_out.insert(report.held_out.end(), held_out.begin(), held_out.end());
  report.sequences = static_cast<int64_t>(sequences.batches.size());
  report.tokens = report.sequences * options.length;

  PassContext context{checkpoint, files, report, progress};
  NWC_RETURN_IF_ERROR(pass(options, model, std::move(sequences), context));
  NWC_RETURN_IF_ERROR(files.finish());
  return report;
}

}  // namespace

Result<CalibrateReport> calibrate(const CalibrateOptions& options, std::span<const CalibrationText> texts,
                                  const Progress& progress) {
  return catch_foreign("calibration", [&]() -> Result<CalibrateReport> {
    const torch::NoGradGuard no_gradients;
    return run(options, texts, progress);
  });
}

}  // namespace nwc
