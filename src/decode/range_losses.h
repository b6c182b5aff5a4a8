// What `decompress --dtype` could not hold, tensor by tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "decode/narrowing.h"
#include "nwcodec/dtype.h"
#include "nwcodec/weights.h"

namespace nwc {

// Not thread-safe.
class RangeLosses {
 public:
  explicit RangeLosses(DType dtype) : dtype_(dtype) {}

  void add(const WeightInfo& tensor, const NarrowingLoss& loss);
  const NarrowingLoss& sum() const { return sum_; }
  // A sentence for each tensor that loses any weight at the upper end, or more at the lower than the few that always
  // lie next to 0; those that lose the largest share first, and the last of many together.
  std::vector<std::string> warnings() const;

 private:
  struct Entry {
    std::string name;
    uint64_t weights;
    NarrowingLoss loss;
  };
  std::string sentence(const Entry& entry) const;

  DType dtype_;
  NarrowingLoss sum_;
  std::vector<Entry> list_;
};

}  // namespace nwc
