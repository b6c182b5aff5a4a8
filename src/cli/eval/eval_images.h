// `nwcodec eval --images`: encoders of images, and of texts, beside a reference.
#pragma once

#include "base/json.h"
#include "cli/eval/eval_command.h"
#include "evaluate/embeddings.h"

namespace nwc::cli {

// Preconditions: options.images and options.reference are set.
Result<EvalReport> evaluate_images(const EvalOptions& options, const Progress& progress);

Json images_json(const EmbeddingResult& result);
void print_images(const EmbeddingResult& result);

}  // namespace nwc::cli
