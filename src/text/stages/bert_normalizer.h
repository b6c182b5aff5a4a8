// The normalizers that BERT's tokenizers began with.
#pragma once

#include <memory>

#include "text/component.h"
#include "text/stages/normalizer.h"

namespace nwc::text {

// BertNormalizer: takes control characters away (clean_text), puts ideographs between spaces (handle_chinese_chars),
// takes accents away (strip_accents; as lowercase says, if it is null), and lowers case.
Result<std::unique_ptr<Normalizer>> make_bert_normalizer(const Fields& fields);

// StripAccents: takes combining marks away, without decomposing first.
Result<std::unique_ptr<Normalizer>> make_strip_accents(const Fields& fields);

}  // namespace nwc::text
