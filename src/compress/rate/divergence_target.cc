#include "compress/rate/divergence_target.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "checkpoint/resumable_directory.h"
#include "compress/rate/divergence_prediction.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr double kLeastDivergence = 1e-12;  // rounding of float32 can make it 0

Error io_error(const char* what, const fs::path& path, const std::error_code& why) {
  return Error(ErrorCode::kIo, std::string(what) + ": " + why.message()).in_file(path.string());
}

// A folder that holds one compression after another, and is gone afterwards.
class Trial {
 public:
  explicit Trial(fs::path path) : path_(std::move(path)) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Status clear() const {
    std::error_code error;
    fs::remove_all(path_, error);
    if (error) return io_error("cannot remove", path_, error);
    return {};
  }
  const fs::path& path() const { return path_; }

  // Everything in it into `directory`, over what is there by the same name.
  Status move_to(const fs::path& directory) const {
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_directory(path_));
    std::error_code error;
    for (const std::string& name : names) {
      const fs::path to = directory / name;
      if (fs::is_directory(to, error)) fs::remove_all(to, error);
      fs::rename(path_ / name, to, error);
      if (error) return io_error("cannot be moved here", to, error);
    }
    return {};
  }

 private:
  fs::path path_;
};

Status predict_rates(CompressionPredictor& predictor, DivergenceSearch& search, const Progress& progress) {
  for (auto bits = search.next_prediction(); bits; bits = search.next_prediction()) {
    NWC_ASSIGN_OR_RETURN(const CompressionPrediction prediction, predictor.at(*bits, progress));
    if (!prediction.divergence || !(*prediction.divergence > 0)) {
      return Error(ErrorCode::kInvalidArgument, "nothing is known of what errors cost: no gradient came to any tensor")
          .remedy("calibrate on other text, or give --bits");
    }
    search.predicted(*bits, *prediction.divergence);
  }
  return {};
}

}  // namespace

Result<TargetedCompression> compress_to_divergence(const CompressOptions& options, double limit,
                                                   const MeasureDivergence& measure, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(
      ResumableDirectory output,
      ResumableDirectory::lock({.path = options.output, .inputs = {options.model}, .force = options.force}));
  DivergenceSearch search(limit);
  RunIdentity identity("compress to a divergence");
  identity.add("divergence", limit);
  {
    NWC_ASSIGN_OR_RETURN(CompressionPredictor predictor, CompressionPredictor::open(options, progress));
    predictor.identify(identity);
    NWC_RETURN_IF_ERROR(predict_rates(predictor, search, progress));
  }
  NWC_RETURN_IF_ERROR(output.begin(identity));
  const Trial trial(ResumableDirectory::work_folder(options.output) / "trial");
  TargetedCompression result;
  const auto compress_at = [&](double bits) -> Result<double> {
    NWC_RETURN_IF_ERROR(trial.clear());
    double measured = 0;
    CompressOptions at = options;
    at.output = trial.path();
    at.force = false;
    at.bits = bits;
    at.size.reset();
    at.before_finish = [&](const fs::path& directory) -> Status {
      NWC_ASSIGN_OR_RETURN(measured, measure(directory));
      return {};
    };
    NWC_ASSIGN_OR_RETURN(result.report, compress_checkpoint(at, progress));
    return std::max(measured, kLeastDivergence);
  };
  double last = 0;
  for (auto bits = search.next_trial(); bits; bits = search.next_trial()) {
    NWC_ASSIGN_OR_RETURN(const double measured, compress_at(*bits));
    search.measured(*bits, measured);
    result.trials.push_back({*bits, measured});
    last = *bits;
  }
  result.taken = search.best();
  if (!search.within_limit(result.taken) && result.taken.bits >= DivergenceSearch::kMostBits) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a divergence of {} is out of reach: at {} bits per weight it is {:.3g}", limit,
                             result.taken.bits, result.taken.divergence))
        .remedy("allow more, or leave the model as it is");
  }
  if (last != result.taken.bits) NWC_RETURN_IF_ERROR(compress_at(result.taken.bits));
  if (!search.within_limit(result.taken)) {
    result.report.warnings.push_back(fmt::format("a divergence of {} was asked for, {:.4g} is what {} trials came to",
                                                 limit, result.taken.divergence, result.trials.size()));
  }
  NWC_RETURN_IF_ERROR(trial.move_to(options.output));
  NWC_RETURN_IF_ERROR(output.finish());
  return result;
}

}  // namespace nwc
