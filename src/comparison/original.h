// The original model's side of a comparison's measurements: computed when the first point asks for it, kept for all.
#pragma once

#include <memory>

#include "comparison/comparison.h"

namespace nwc {

// Refers to the options. Not thread-safe.
class Original {
 public:
  explicit Original(const ComparisonOptions& options);
  ~Original();
  Original(const Original&) = delete;
  Original& operator=(const Original&) = delete;

  // Fills in what the options' texts and tasks say of a checkpoint. Errors: of opening models and tokenising tasks;
  // those of divergence() and run_tasks().
  Status measure(const std::filesystem::path& checkpoint, ComparisonPoint& point, const Progress& progress);

 private:
  struct Results;
  Status prepare(const Progress& progress);
  const ComparisonOptions& options_;
  std::unique_ptr<Results> results_;
};

}  // namespace nwc
