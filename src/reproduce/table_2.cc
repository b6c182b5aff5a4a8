#include "reproduce/experiment.h"

namespace nwc {

extern const Experiment kTable2{
    "Table 2",
    "Encoding and decoding time of a tensor of 4096 x 4096 at 4 bits on an RTX A6000: NWC, GPTQ, QTIP, QuIP#", nullptr,
    "times depend on the machine and are not a part of this run: docs/results.md has ours beside peers, each with its "
    "command; the paper's card (RTX A6000) is not among those that we have measured"};

}  // namespace nwc
