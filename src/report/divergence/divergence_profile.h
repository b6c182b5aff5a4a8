// Where and how far a candidate's predictions are from the reference's: figures by position in the window, by class of
// token, and over their distribution, whose tail the mean hides.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate/token_scores.h"
#include "report/divergence/token_class.h"

namespace nwc {

// The tokens of the windows, as text/token_text.h has them.
struct WindowTexts {
  std::vector<int32_t> ids;         // [windows * context]
  std::vector<std::string> pieces;  // the text that each adds
  std::vector<TokenClass> classes;
};

// Of a set of tokens.
struct DivergenceFigures {
  int64_t tokens = 0;
  double kl_sum = 0, kl_median = 0, kl_99th_percentile = 0, kl_maximum = 0;  // nats
  double reference_nll = 0, candidate_nll = 0;                               // sums, nats
  int64_t same_top = 0;
  double mean_kl() const { return tokens > 0 ? kl_sum / static_cast<double>(tokens) : 0; }
  double mean_reference_nll() const { return tokens > 0 ? reference_nll / static_cast<double>(tokens) : 0; }
  double mean_candidate_nll() const { return tokens > 0 ? candidate_nll / static_cast<double>(tokens) : 0; }
  double top1_agreement() const { return tokens > 0 ? static_cast<double>(same_top) / static_cast<double>(tokens) : 0; }
};

struct DivergenceProfile {
  struct Positions {
    int64_t first, last;  // in the window, counted from 1; the first token is not predicted
    DivergenceFigures figures;
  };
  struct Class {
    TokenClass token_class;
    DivergenceFigures figures;
  };
  struct Quantile {
    double share;  // of the tokens that are at most `kl`
    double kl;
  };
  struct Concentration {
    double share_of_tokens;  // those of the largest divergence
    double share_of_divergence;
  };
  struct Window {
    int64_t index;  // from 0
    DivergenceFigures figures;
  };
  struct Type {
    int32_t id;  // a token of the vocabulary, where it is predicted
    DivergenceFigures figures;
  };

  int64_t context = 0, windows = 0;
  DivergenceFigures all;
  std::optional<double> mean_kl_standard_error;  // over windows; none for a single one
  std::vector<Positions> positions;              // half octaves: each group reaches to about 1.4 times the last
  std::vector<Class> classes;                    // in the order of the enumerator; those that occur
  std::vector<Quantile> quantiles;               // ascending; those that so many tokens can tell apart
  std::vector<Concentration> concentration;
  std::vector<Window> worst_windows;  // by mean divergence, the largest first
  std::vector<size_t> worst_tokens;   // indices of scores, the largest divergence first
  std::vector<Type> costly_types;     // by sum of divergence, the largest first

  double perplexity() const;  // of the candidate; as all windows are equally long, that of evaluate/perplexity.h
  double reference_perplexity() const;
};

struct ProfileOptions {
  size_t windows = 5, tokens = 50, types = 20;  // how many of the worst
};

// Preconditions: at least one window; `texts` are those of the scored windows. Deterministic: of equals, the earlier
// comes first.
DivergenceProfile profile_of(const TokenScores& scores, const WindowTexts& texts, const ProfileOptions& options = {});

// The window of a score and the token's place in WindowTexts.
struct TokenPlace {
  int64_t window, position;  // position in the window, from 0
  size_t in_text;
};
TokenPlace place_of(const TokenScores& scores, size_t score);

}  // namespace nwc
