#include "cli/eval/eval_images.h"

#include <fmt/format.h>

#include "base/parallel.h"
#include "cli/checkpoint_notes.h"
#include "cli/decode_backend.h"
#include "libtorch/threads.h"

namespace nwc::cli {
namespace {

Json error_json(const EmbeddingError& e) {
  return {{"count", e.count},
          {"relative_error", e.relative_error},
          {"worst_relative_error", e.worst},
          {"mean_cosine", e.mean_cosine}};
}

void print_error(const char* what, const EmbeddingError& e) {
  fmt::print("{:<16} {} embeddings, relative error {:.6f} (worst {:.6f}), mean cosine {:.6f}\n", what, e.count,
             e.relative_error, e.worst, e.mean_cosine);
}

}  // namespace

Result<EvalReport> evaluate_images(const EvalOptions& options, const Progress& progress) {
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  const auto open = [&](const std::filesystem::path& checkpoint) -> Result<EncoderModel> {
    NWC_ASSIGN_OR_RETURN(std::shared_ptr<DecodeBackend> backend, decode_backend_for(options.device, checkpoint));
    return EncoderModel::open(checkpoint, threads, options.device, std::move(backend));
  };
  NWC_ASSIGN_OR_RETURN(const EncoderModel reference, open(*options.reference));
  NWC_ASSIGN_OR_RETURN(const EncoderModel model, open(options.checkpoint));
  NWC_ASSIGN_OR_RETURN(const EncoderInputs inputs, EncoderInputs::open(*options.images, reference.spec()));
  NWC_RETURN_IF_ERROR(EncoderInputs::open(*options.images, model.spec()));
  EvalReport report;
  append_notes(options.checkpoint, model.warnings(), report.warnings);
  append_notes(*options.reference, reference.warnings(), report.warnings);
  Result<EmbeddingResult> result = compare_embeddings(reference, model, inputs, progress);
  if (!result) return std::move(result).error().in_file(options.checkpoint.string());
  report.embeddings = *result;
  return report;
}

Json images_json(const EmbeddingResult& r) {
  return {{"images", error_json(r.images)},
          {"texts", r.texts ? error_json(*r.texts) : Json(nullptr)},
          {"labels", r.labels},
          {"label_agreement", r.label_agreement ? Json(*r.label_agreement) : Json(nullptr)}};
}

void print_images(const EmbeddingResult& r) {
  print_error("images", r.images);
  if (r.texts) print_error("texts", *r.texts);
  if (r.label_agreement) fmt::print("label agreement  {:.3f} % over {} labels\n", 100.0 * *r.label_agreement, r.labels);
}

}  // namespace nwc::cli
