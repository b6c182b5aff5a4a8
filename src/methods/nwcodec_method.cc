// Our own compression as one of the methods: what `nwcodec compress MODEL --bits B [--hessians H] --keep-embeddings`
// writes, evaluated as it is. Its bits are all bytes of the compressed tensors and of the codec. With steps=levels it
// is the paper's form instead: a learned transform, columns normalised, importance levels, feedback along columns, and
// with recover=1 recovery fine-tuning between layers (Section 3.3).
#include <algorithm>
#include <system_error>

#include "checkpoint/index.h"
#include "compress/compress.h"
#include "compress/compress_defaults.h"
#include "libtorch/device.h"
#include "libtorch/threads.h"
#include "methods/method.h"
#include "methods/method_model.h"
#include "recover/recover.h"
#include "tensor/device.h"

namespace nwc {
namespace {

class Nwcodec final : public Method {
 public:
  Nwcodec(double bits, std::optional<Feedback> feedback, bool levels, bool recover)
      : bits_(bits), feedback_(feedback), levels_(levels), recover_(recover) {}
  bool needs_hessians() const override { return recover_; }

  Result<MethodTotals> run(const MethodModel& model, const std::filesystem::path& output,
                           const MethodContext& context) const override {
    CompressOptions options;
    options.model = model.directory();
    options.output = output;
    options.hessians = model.hessian_directory();
    options.selection = model.selection_options();
    options.keep_embeddings = true;
    options.bits = bits_;
    options.threads = context.threads;
    OpenOptions open;
    if (feedback_) {
      options.guide.feedback = *feedback_;
      open.feedback = false;
    }
    if (levels_) {
      options.guide.steps = StepRule::kLevels;
      options.encode.normalisation.kind = Normalisation::kColumn;
      open.steps = open.normalisation = false;
    }
    NWC_RETURN_IF_ERROR(settle_guide(open, /*asks_for_a_rate=*/true, options));
    NWC_RETURN_IF_ERROR(settle_encoding(open, options));
    if (options.guide.steps != StepRule::kSensitivity) options.codecs = context.codecs;
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<EncodeDevice> device, open_encode_device(context.device));
    options.device = device.get();
    std::unique_ptr<BlockCompressor> recovery;
    if (recover_) {
      RecoverOptions recover;
      NWC_ASSIGN_OR_RETURN(recover.device, open_device(context.device));
      NWC_ASSIGN_OR_RETURN(recovery,
                           make_recovery(options.model, options.hessians, recover, std::max(1, options.threads)));
    }
    NWC_ASSIGN_OR_RETURN(const CompressReport report, compress_checkpoint(options, context.progress, recovery.get()));
    set_compute_threads(std::max(1, context.threads));
    const CompressionTotals sums = totals_of(report.tensors);
    std::error_code failed;
    const uint64_t codec = std::filesystem::file_size(output / kCodecFileName, failed);
    if (failed) return Error(ErrorCode::kIo, "cannot be read").in_file((output / kCodecFileName).string());
    MethodTotals totals;
    totals.weights = sums.statistics.weights;
    totals.bits = 8.0 * static_cast<double>(codec + sums.statistics.payload_bytes + sums.side_bytes);
    totals.squared_error = sums.statistics.squared_error;
    totals.squared_weight = sums.statistics.squared_weight;
    return totals;
  }

 private:
  double bits_;
  std::optional<Feedback> feedback_;  // none: what the Hessians allow
  bool levels_, recover_;
};

}  // namespace

Result<std::unique_ptr<const Method>> make_nwcodec(MethodParameters& parameters, double bits) {
  NWC_ASSIGN_OR_RETURN(const std::string name,
                       parameters.choice("feedback", {"default", "none", "columns", "two-sided"}));
  std::optional<Feedback> feedback;
  for (const Feedback one : {Feedback::kNone, Feedback::kColumns, Feedback::kTwoSided}) {
    if (name == name_of(one)) feedback = one;
  }
  NWC_ASSIGN_OR_RETURN(const std::string steps, parameters.choice("steps", {"default", "levels"}));
  NWC_ASSIGN_OR_RETURN(const bool recover, parameters.flag("recover", false));
  if (!(bits >= 0.5 && bits <= 12)) return Error(ErrorCode::kUnsupported, "is defined for rates from 0.5 to 12");
  return std::unique_ptr<const Method>(std::make_unique<Nwcodec>(bits, feedback, steps == "levels", recover));
}

}  // namespace nwc
