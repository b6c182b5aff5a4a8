// `nwcodec eval --text`: perplexity, and divergence from a reference.
#pragma once

#include "base/json.h"
#include "cli/eval/eval_command.h"

namespace nwc::cli {

// Precondition: options.text is set.
Result<EvalReport> evaluate_text(const EvalOptions& options, const Progress& progress);

// Of a report that holds a perplexity or a divergence.
Json text_json(const EvalReport& report);
void print_text(const EvalReport& report);

}  // namespace nwc::cli
