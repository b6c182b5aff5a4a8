// `nwcodec study reproduce`: all experiments on a model, and the page about them.
#pragma once

#include <string>
#include <vector>

#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"

namespace nwc {

struct FinishedExperiment {
  const Experiment* experiment = nullptr;
  ExperimentResult result;
  std::string error;  // what ended it; or empty
  bool from_earlier_run = false;
};

struct ReproductionReport {
  std::string model, profile;  // the name of a directory; the profile's name
  std::vector<FinishedExperiment> experiments;
  size_t failed() const;
};

// Runs the experiments one after another, each result a file in OUTPUT/experiments as soon as it is known, so that the
// same command goes on where it was interrupted; an experiment that fails is noted on the page, and the others run.
// Writes OUTPUT/index.html, and NAME.csv and NAME.svg for each experiment that has a table or plots. Errors: those of
// Bench::open(); kExists for an output of another reproduction; kIo; kInterrupted.
Result<ReproductionReport> run_reproduction(const ReproductionOptions& options, const Progress& progress);

// The page: self-contained, deterministic.
std::string reproduction_html(const ReproductionReport& report);

}  // namespace nwc
