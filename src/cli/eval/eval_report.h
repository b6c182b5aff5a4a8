// `nwcodec eval --report`: the page of a comparison.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cli/eval/eval_command.h"
#include "evaluate/token_scores.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"

namespace nwc::cli {

// Writes `options.report` and the files beside it. `ids`: of the text, of which `scores` has the first windows. Errors:
// kIo.
Status write_eval_report(const EvalOptions& options, const Tokenizer& tokenizer, std::span<const int32_t> ids,
                         TokenScores scores, const std::vector<std::string>& warnings);

}  // namespace nwc::cli
