// Which of embedding and head a checkpoint holds where config.json ties the two: transformers goes by the tensors then.
//
// Thread safety: the function may be called from several threads at once.
#pragma once

#include <optional>
#include <string>

#include "model/config/spec.h"
#include "model/parameters/parameters.h"

namespace nwc {

// For a model whose head is tied: where only the head is stored, it is the embedding too; where both are and differ,
// the head is its own, and the line that says so is returned. A model used without its head needs no comparison.
// Errors: those of reading both.
Result<std::optional<std::string>> settle_tied_head(ModelSpec& model, const ParameterSource& source, bool with_head);

}  // namespace nwc
