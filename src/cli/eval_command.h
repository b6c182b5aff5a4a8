// `nwcodec eval` as a function.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "evaluate/divergence.h"
#include "evaluate/embeddings.h"
#include "evaluate/perplexity.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc::cli {

struct EvalOptions {
  std::filesystem::path checkpoint;  // plain or compressed
  std::filesystem::path text;        // a language model is scored on this,
  std::optional<std::filesystem::path>
      images;  // an encoder compared with its reference on these (model/encoders/encoder_inputs.h)
  std::optional<std::filesystem::path> reference;  // plain or compressed; its tokenizer is not used
  int64_t context = 2048;
  int64_t windows = 0;  // 0: all
  int threads = 0;
  ModelDevice device = {};
  // With a reference: a page about the divergence token by token, with its figures beside it
  // (report/divergence/divergence_report.h).
  std::optional<std::filesystem::path> report;
  std::string command;  // for that page
};

struct EvalReport {
  int64_t tokens = 0;                          // of the whole text
  std::optional<PerplexityResult> perplexity;  // without a reference
  std::optional<DivergenceResult> divergence;  // with one; holds both models' perplexities
  std::optional<EmbeddingResult> embeddings;   // of an encoder; nothing else then
  std::vector<std::string> warnings;
};

Result<EvalReport> evaluate_checkpoint(const EvalOptions& options, const Progress& progress);

}  // namespace nwc::cli
