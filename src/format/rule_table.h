// The format's context rules, a row each (docs/format.md, section 4, "table rule"): what header, decoder and encoder
// ask about a rule. A further rule is its number and its row here, and a body of StreamContexts (format/context_rule.h)
// in a file of its own.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>

#include "nwcodec/result.h"

namespace nwc {

struct CodecShape;
struct LineScales;
class StreamContexts;

// The contexts of a stream whose matrices have so many columns and rows. `lines`: the stream's; without matrices where
// the rule has none. The codec's trellis must outlive the result. Errors: kCorrupt for a codec that the rule does not
// fit.
using MakeContexts = Result<std::shared_ptr<const StreamContexts>>(const LineScales& lines, uint64_t columns,
                                                                   uint64_t rows, const CodecShape& codec);
MakeContexts make_level_channel_contexts;  // a table for each level and channel of the codec, level by level
// The sum of a column's and a row's class. Asks for codecs whose chunks have as many latents as weights: latent c is
// that of row c of the chunk.
MakeContexts make_scale_class_contexts;
// The same: the first half of the tables are those of even integers by class, the other half those of odd ones. Asks
// for codecs with a trellis.
MakeContexts make_trellis_contexts;

// How symbols find their tables, by its number in a stream's header.
enum class ContextRule : uint8_t {
  kLevelChannel = 0,
  kScaleClasses = 1,
  kTrellis = 2,
};

struct RuleTraits {
  ContextRule rule;
  unsigned version;  // the oldest format version that has it
  bool line_scales;  // streams have them, and one column scale
  bool trellis;      // codecs have one; streams have neither levels nor own tables, and runs of one group
  MakeContexts* make;
  // Levels, and latents of a chunk, of the codecs without a transform that this library makes for it; 0: makes none.
  unsigned levels, latents;
};

inline constexpr RuleTraits kContextRules[] = {
    {ContextRule::kLevelChannel, 1, false, false, make_level_channel_contexts, 0, 0},
    {ContextRule::kScaleClasses, 2, true, false, make_scale_class_contexts, 8, 16},
    {ContextRule::kTrellis, 3, true, true, make_trellis_contexts, 4, 64},
};

constexpr bool is_context_rule(unsigned number) { return number < std::size(kContextRules); }
constexpr const RuleTraits& traits_of(ContextRule rule) { return kContextRules[static_cast<unsigned>(rule)]; }

static_assert([] {
  for (unsigned number = 0; is_context_rule(number); ++number) {
    if (static_cast<unsigned>(kContextRules[number].rule) != number) return false;
  }
  return true;
}());

}  // namespace nwc
