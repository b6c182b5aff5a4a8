#include "reproduce/experiment.h"

namespace nwc {

extern const Experiment kFigure12{
    "Figure 12",
    "Llama 2-7B: perplexity on WikiText-2 and average accuracy on four tasks of NWC, LLM-QAT, BitDistiller and ReALLM",
    nullptr,
    "quantisation-aware training (LLM-QAT, BitDistiller) and ReALLM are not among the methods (docs/lab/methods.md)"};

}  // namespace nwc
