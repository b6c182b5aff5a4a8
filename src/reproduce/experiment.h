// One figure or table of the paper (Ryu et al., Neural Weight Compression for Language Models), run on a model of ours.
//
// A new one is a file with a function and a constant Experiment, its line in experiments.cc, and its name in
// CMakeLists.txt. It composes what studies, ablations, comparisons and training do (reproduce/bench.h).
#pragma once

#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "study/output/svg_plot.h"

namespace nwc {

class Bench;

struct ExperimentResult {
  std::string missing;                          // why there is nothing else; or empty
  std::vector<std::vector<std::string>> table;  // the first row is the header
  std::vector<PlotPanel> panels;
  std::vector<std::string> remarks;  // what cannot be compared with the paper, and why
};

struct Experiment {
  const char* name;   // "Figure 3"
  const char* shows;  // what the paper shows there, on which model
  // Null: not built yet, and `not_built` says what is missing. Errors end the experiment, not the others.
  Result<ExperimentResult> (*run)(Bench& bench, const Progress& progress);
  const char* not_built;
};

// In the order of the paper: figures, then tables.
const std::vector<Experiment>& experiments();

// "figure-3": of files, and for --only.
std::string file_name_of(const Experiment& experiment);

// A result without anything but the reason.
inline ExperimentResult nothing_because(std::string reason) { return {.missing = std::move(reason)}; }

}  // namespace nwc
