#include "model/parameters/stored_head.h"

#include <fmt/format.h>

#include "libtorch/tensors.h"

namespace nwc {
namespace {

// Under any shape.
bool is_stored(const ParameterSource& source, const TensorSpec& tensor) {
  const Status found = source.check(tensor);
  return found || found.error().code() != ErrorCode::kNotFound;
}

}  // namespace

Result<std::optional<std::string>> settle_tied_head(ModelSpec& model, const ParameterSource& source, bool with_head) {
  const bool tied = model.head.weight == model.embedding;
  if (!tied || model.own_head.empty()) return std::optional<std::string>();
  const TensorSpec embedding{model.embedding, {model.vocab_size, model.hidden_size}};
  const TensorSpec head{model.own_head, embedding.shape};
  if (!is_stored(source, head)) return std::optional<std::string>();
  if (!is_stored(source, embedding)) {
    model.embedding = model.head.weight = head.name;
    return std::optional<std::string>();
  }
  if (!with_head) return std::optional<std::string>();
  NWC_ASSIGN_OR_RETURN(const at::Tensor embedded, source.load(embedding));
  NWC_ASSIGN_OR_RETURN(const at::Tensor stored, source.load(head));
  if (torch::equal(embedded, stored)) return std::optional<std::string>();
  model.head.weight = head.name;
  return std::optional(
      fmt::format("{} differs from {}, though config.json ties them; each is used as it is stored (set "
                  "tie_word_embeddings to false to say so)",
                  head.name, embedding.name));
}

}  // namespace nwc
