// `nwcodec generate` as a function.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/layer_options.h"
#include "evaluate/sampler.h"
#include "libtorch/device.h"
#include "model/causal_lm.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "text/tokenizer.h"

namespace nwc::cli {

struct GenerateTextOptions {
  std::filesystem::path checkpoint;  // plain or compressed
  LayerOptions layers;               // of it
  std::string prompt;
  int64_t max_new_tokens = 64;
  SamplingOptions sampling;
  int threads = 0;
  ModelDevice device = {};
  // Otherwise weights stay in the checkpoint's files, and each block is decoded whenever it is needed.
  Residency residency = Residency::kAll;
};

// What writes text, opened.
struct TextModel {
  Tokenizer tokenizer;
  CausalLm model;
  std::vector<std::string> warnings;  // of both
};

Result<TextModel> open_text_model(const GenerateTextOptions& options);

struct Continuation {
  std::string text;
  size_t tokens = 0;
};

// `on_text` (may be empty) gets its pieces as they come.
Result<Continuation> generate_text(const TextModel& writer, const GenerateTextOptions& options,
                                   const Progress& progress, const std::function<void(const std::string&)>& on_text);

}  // namespace nwc::cli
