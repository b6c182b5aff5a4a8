// The Fisher information of a language model's two ends: the look-up of its embedding and the projection of its head,
// which may be one tensor. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <string>

#include "calibrate/effective_tokens.h"
#include "calibrate/second_moment.h"
#include "calibrate/square_sums.h"
#include "guide/hessian_file.h"
#include "libtorch/tensors.h"
#include "model/config/spec.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "team/team.h"

namespace nwc {

// An embedding's inputs are single tokens, so the error of row v costs (error of the row . g)^2 where token v stands:
// the second moment of g over all positions takes the place of that of x, and the share of |g|^2 that falls on a token
// that of E[g_i^2]. Not thread-safe.
class EndsFisher {
 public:
  explicit EndsFisher(const ModelSpec& model);

  // The head's linear layer: its input [positions, hidden_size] and the gradient at its output [positions, vocab_size].
  // Without effect if they are not finite.
  void see_head(const at::Tensor& input, const at::Tensor& gradient);
  // The gradient at the first block's input, [.., hidden_size], where the embedding of `ids` (int64, as many) went in.
  void see_embedding(const at::Tensor& ids, const at::Tensor& gradient);

  // Those of another device.
  void add(const EndsFisher& other);
  // Those of all processes, for the leading one; of no use to the others afterwards. Errors: those of the team.
  Status add_up(Team& team);

  // Errors: kNotFound for a tensor that the checkpoint lacks; kIo.
  Result<HessianFile> file(const Checkpoint& checkpoint, const Json& provenance, int64_t positions) const;

 private:
  const ModelSpec& model_;
  SecondMoment head_input_, head_felt_, lookup_;  // of x, of |g| x, of g
  SquareSums head_squares_, lookup_squares_;      // for each token of the vocabulary
  EffectiveTokens head_effective_, lookup_effective_;
};

}  // namespace nwc
