// Loops over the tensors of a checkpoint, several at a time where memory allows: a tensor alone keeps few threads busy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "nwcodec/checkpoint.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "weights/weight_matrix.h"

namespace nwc {

class GuideSource;
class Team;

// A tensor to be compressed, and whether it is stored [.., inputs, outputs].
struct SelectedTensor {
  const TensorView* view;
  bool transposed;
};

// How many tensors, each taking so many bytes while it is worked on, are worked on at a time: 1 to `threads` (<= 0: all
// cores), as many as take half a GiB together whichever they are.
size_t tensors_at_once(std::span<const uint64_t> bytes, int threads);

// About how many bytes a tensor takes while it is encoded on the cores. `guides`: null without Hessians.
uint64_t working_bytes(const WeightMatrix& shape, const GuideSource* guides);

struct TensorLoop {
  const std::vector<SelectedTensor>& tensors;
  const GuideSource* guides;  // that the body asks; null for none
  Team& team;
  bool on_device;  // one at a time
  int threads;
  const Progress& progress;
  std::string what;  // for progress

  // body(i, weights of tensors[i]) for those i that are this process's: i % team.size() is its rank. Called from
  // several threads at a time, in no particular order. Errors: the body's; kInterrupted.
  Status run(const std::function<Status(size_t i, const WeightMatrix& weights)>& body) const;
};

}  // namespace nwc
