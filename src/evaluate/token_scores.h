// What a reference and a candidate say of each token of a text. No LibTorch, so that reports can be made of it.
#pragma once

#include <cstdint>
#include <vector>

namespace nwc {

struct TokenScore {
  double kl = 0;                                 // KL(reference || candidate) of the prediction of this token, nats
  float reference_nll = 0, candidate_nll = 0;    // of the token, nats
  int32_t reference_top = 0, candidate_top = 0;  // the likeliest token
  bool same_top() const { return reference_top == candidate_top; }
};

// Of each window (evaluate/windows.h) its tokens 2 to context, those that are predicted: token t of window w, counted
// from 0, is tokens[w * (context - 1) + t - 1].
struct TokenScores {
  int64_t context = 0, windows = 0;
  std::vector<TokenScore> tokens;  // [windows * (context - 1)]
};

}  // namespace nwc
