#include "cli/eval/eval_report.h"

#include <utility>

#include "checkpoint/checkpoint_path.h"
#include "cli/eval/window_texts.h"
#include "nwcodec/version.h"
#include "report/divergence/divergence_report.h"
#include "text/token_text.h"

namespace nwc::cli {

Status write_eval_report(const EvalOptions& options, const Tokenizer& tokenizer, std::span<const int32_t> ids,
                         TokenScores scores, const std::vector<std::string>& warnings) {
  TokenTexts texts(tokenizer);
  DivergenceReport report{.version = NWCODEC_VERSION_STRING,
                          .checkpoint = directory_name(options.checkpoint),
                          .reference = directory_name(*options.reference),
                          .texts = {options.text.filename().string()},
                          .command = options.command,
                          .warnings = warnings};
  report.tokens = window_texts(texts, ids.first(static_cast<size_t>(scores.windows * scores.context)), scores.context);
  report.profile = profile_of(scores, report.tokens);
  report.scores = std::move(scores);
  report.text_of = [&texts](int32_t id) { return texts.of(id).text; };
  return write_divergence_report(report, *options.report);
}

}  // namespace nwc::cli
