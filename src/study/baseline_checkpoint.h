// A checkpoint whose linear weights a baseline quantised: plain weights for every program that measures models, and the
// bits that the baseline's own form would take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "guide/guide.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

struct BaselineOptions {
  std::filesystem::path model, output;
  std::string method;              // baselines/baseline.h
  std::filesystem::path hessians;  // empty: without feedback
  SelectionOptions selection;
  LdlOptions ldl;
  bool sort_columns = true;  // as in GuideOptions: act-order
  int threads = 0;
};

struct BaselineReport {
  uint64_t weights = 0;  // quantised
  double bits = 0;       // of them, side information included
  double squared_error = 0, squared_weight = 0;
  double weighted_error = 0;  // sum over tensors of tr(E H E^T); 0 without Hessians
  std::vector<std::string> warnings;

  double bits_per_weight() const { return weights > 0 ? bits / static_cast<double>(weights) : 0; }
};
Json to_json(const BaselineReport& report);

// Writes `output`, an absent or empty directory, with all tensors of `model` in their dtypes; a run that fails leaves
// nothing there. The same bytes with any number of threads. Errors: kExists, kBusy; those of reading, of Hessians and
// of writing.
Result<BaselineReport> quantise_checkpoint(const BaselineOptions& options, const Progress& progress);

}  // namespace nwc
