// How much a reproduction computes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nwc {

struct ReproductionProfile {
  std::string name;
  int64_t calibration_sequences = 0, calibration_length = 0;  // of each text
  int64_t context = 0, windows = 0;                           // of each text that is evaluated
  int64_t task_items = 0;                                     // of each task; 0: all
  std::vector<double> bits;                                   // of comparisons
  std::vector<double> ablation_bits;
  std::vector<std::string> methods;                   // beside ours and the paper's form, and the next
  std::string paper_form;                             // the paper's own method (Section 3), as one of methods/methods.h
  bool paper_networks = false;                        // with its 512 x 4 networks, not the fast ones
  std::string qtip;                                   // with its trellis
  uint64_t samples = 0, trellis_samples = 0;          // of sources for rate-distortion curves
  unsigned trellis_state_bits = 0, largest_bits = 6;  // curves go from 1 bit to that
  int64_t train_width = 0, train_depth = 0, train_steps = 0, train_batch = 0;  // of codecs that are trained here
  std::vector<double> lambdas;                                                 // of those
};

// A small model on two cores in some minutes: enough to see that everything runs, not to judge methods.
ReproductionProfile quick_profile();
// A model of some hundred million weights on one GPU in at most three hours.
ReproductionProfile full_profile();

}  // namespace nwc
