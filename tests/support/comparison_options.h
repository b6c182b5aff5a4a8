// What comparisons of methods are run with in tests.
#pragma once

#include <filesystem>
#include <utility>

#include "comparison/comparison.h"
#include "support/temp_dir.h"

namespace nwc::testing {

// Two threads, one text of 64 tokens below `vocabulary` in windows of 32; the output is "out" in `work`.
inline ComparisonOptions options_for(const std::filesystem::path& model, const TempDir& work, int32_t vocabulary) {
  ComparisonOptions options;
  options.model = model;
  options.output = work / "out";
  options.windows.context = 32;
  options.threads = 2;
  ComparisonText text{work.add("text.txt", "what the tokens stand for"), {}};
  for (int32_t i = 0; i < 64; ++i) text.ids.push_back((i * i * 37 + i) % vocabulary);
  options.texts.push_back(std::move(text));
  return options;
}

}  // namespace nwc::testing
