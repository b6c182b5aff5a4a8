// Where the way back begins: gradients of the log-likelihood of tokens that the model draws itself, and of an encoder's
// embeddings. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstdint>
#include <functional>

#include "libtorch/tensors.h"
#include "model/layers/ends.h"

namespace nwc {

// The labels, int64 [count], of `count` positions from `begin` on, whose logits are [count, vocabulary].
using LabelRule = std::function<at::Tensor(const at::Tensor& logits, int64_t begin)>;

// Drawn from the model's own predictions: the expected outer products of gradients are the Fisher information then.
// Called for the positions of one sequence in turn.
LabelRule drawn_labels(uint64_t seed);

// One index per row of logits [positions, vocabulary], drawn by its softmax at the quantiles [positions, 1], float64
// within 0 and 1: int64 [positions].
at::Tensor drawn(const at::Tensor& logits, const at::Tensor& quantiles);

// The gradient of sum over positions of log p(label) at the last block's output `hidden` [1, length, hidden_size].
// Positions are taken a few at a time, because logits of all would not fit.
// `watch`, if there is one, gets the input [positions, hidden_size] of the head's linear layer, and the gradient at its
// output [positions, vocabulary].
using HeadWatch = std::function<void(const at::Tensor& input, const at::Tensor& gradient)>;
at::Tensor gradient_of_labels(const Head& head, int64_t vocabulary, const at::Tensor& hidden, const LabelRule& labels,
                              const HeadWatch& watch = {});

// The gradient of the sum of output(hidden) * noise at `hidden`, with Gaussian noise of variance 1 from `seed`: its
// expected outer products are those of an embedding that is known up to such noise.
at::Tensor gradient_of_noise(const std::function<at::Tensor(const at::Tensor&)>& output, const at::Tensor& hidden,
                             uint64_t seed);

}  // namespace nwc
