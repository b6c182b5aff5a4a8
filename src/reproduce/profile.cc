#include "reproduce/profile.h"

namespace nwc {

ReproductionProfile quick_profile() {
  return {.name = "quick",
          .calibration_sequences = 4,
          .calibration_length = 128,
          .context = 128,
          .windows = 4,
          .task_items = 8,
          .bits = {3, 4},
          .ablation_bits = {3.2},
          .methods = {"round-to-nearest", "gptq", "awq", "spinquant", "quip-sharp"},
          .paper_form = "nwcodec:steps=levels",
          .qtip = "qtip:states=10",
          .samples = uint64_t{1} << 14,
          .trellis_samples = uint64_t{1} << 12,
          .trellis_state_bits = 10,
          .largest_bits = 4,
          .train_width = 32,
          .train_depth = 1,
          .train_steps = 300,
          .train_batch = 2048,
          .lambdas = {100, 1000}};
}

ReproductionProfile full_profile() {
  return {.name = "full",
          .calibration_sequences = 96,
          .calibration_length = 2048,
          .context = 2048,
          .windows = 24,
          .task_items = 0,
          .bits = {2, 3, 4, 5, 6},
          .ablation_bits = {2.4, 3.2, 4.0},
          .methods = {"round-to-nearest", "gptq", "awq", "spinquant", "quip-sharp"},
          .paper_form = "nwcodec:steps=levels:recover=1",
          .paper_networks = true,
          .qtip = "qtip",
          .samples = uint64_t{1} << 20,
          .trellis_samples = uint64_t{1} << 16,
          .trellis_state_bits = 16,
          .train_width = 512,
          .train_depth = 4,
          .train_steps = 20000,
          .train_batch = 4096,
          .lambdas = {50, 300, 1000}};
}

}  // namespace nwc
