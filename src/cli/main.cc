// The nwcodec program.
#include "cli/program.h"
#include "team/team.h"

int main(int argc, char** argv) {
  using namespace nwc::cli;
  const Program program{
      .name = "nwcodec",
      .description = "Learned compression of neural network weights.",
      .commands = {{"compress", "Compress a checkpoint's linear weights", add_compress},
                   {"decompress", "Turn a compressed checkpoint back into a plain one", add_decompress},
                   {"convert", "Lay a compressed checkpoint's symbols out in other tiles", add_convert},
                   {"recompress", "Compress what is compressed already to a smaller size", add_recompress},
                   {"trim", "Keep the first layers of a progressive checkpoint", add_trim},
                   {"inspect", "Show what a compressed checkpoint consists of", add_inspect},
                   {"eval", "Measure perplexity or accuracy, and divergence from a reference", add_eval},
                   {"compare", "Put compressed checkpoints of one model beside each other", add_compare},
                   {"generate", "Continue a text", add_generate},
                   {"train", "Train a codec on the weights of checkpoints", add_train},
                   {"polish", "Train what a compressed checkpoint stores beside its symbols", add_polish},
                   {"calibrate", "Measure what a model's layers see: Hessians for compress", add_calibrate},
                   {"study", "Measure weights, quantisers and compressed tensors", add_study},
                   {"doctor", "Say what this machine offers and what was found", add_doctor},
                   {"completion", "Print a script that completes commands in bash or zsh", add_completion},
                   {"man", "Print a manual page", add_man}},
      .busy_remedy = nwc::separate_processes_hint};
  return run_program(program, argc, argv);
}
