// Which of a block's linear layers a hook is called for. Private to src/calibrate.
#pragma once

#include <cstddef>
#include <vector>

#include "model/config/block_spec.h"

namespace nwc {

// Follows Block::forward() through linears_of() in their common order. Experts without tokens are not announced: they
// are skipped.
class LayerWalk {
 public:
  // The number in `linears` of the layer that is announced now.
  size_t next(const std::vector<BlockLinear>& linears, const LinearSpec& linear) {
    while (linears[next_].linear.weight != linear.weight || linears[next_].linear.slice != linear.slice) ++next_;
    return next_++;
  }
  void begin_again() { next_ = 0; }

 private:
  size_t next_ = 0;
};

}  // namespace nwc
