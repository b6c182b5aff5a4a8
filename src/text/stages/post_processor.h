// Post-processors of tokenizer.json: the special tokens that are put around a text's tokens.
// Supported: TemplateProcessing (its template for single texts), ByteLevel (which changes offsets only),
// BertProcessing, RobertaProcessing, Sequence.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc::text {

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  virtual void add_special_tokens(std::vector<int32_t>& ids) const = 0;
};

// A null pointer for null.
Result<std::unique_ptr<PostProcessor>> make_post_processor(const Json& json);

}  // namespace nwc::text
