// Decoders of tokenizer.json: how tokens become text again.
// Supported: Sequence, ByteLevel, Metaspace, ByteFallback, Fuse, Strip, Replace (of literal strings), WordPiece,
// BPEDecoder.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc::text {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Turns the tokens (valid UTF-8) into others whose concatenation is nearer to the text; they stay valid UTF-8.
  virtual void apply(std::vector<std::string>& tokens) const = 0;
  // How many times longer, at most, the text may become.
  virtual double growth() const { return 1; }
};

// A null pointer for null. kLimit if the decoders together could lengthen text more than limits::kMaxTextGrowth times.
Result<std::unique_ptr<Decoder>> make_decoder(const Json& json);

}  // namespace nwc::text
