#include "text/models/model.h"

#include "text/component.h"
#include "text/models/bpe.h"
#include "text/models/unigram.h"
#include "text/models/word_level.h"
#include "text/models/word_piece.h"

namespace nwc::text {
namespace {

template <class Body>
Result<std::unique_ptr<Model>> made(const Json& json) {
  NWC_ASSIGN_OR_RETURN(Body model, Body::from_json(json));
  return std::unique_ptr<Model>(std::make_unique<Body>(std::move(model)));
}

// Old files have no type; the members tell.
std::string type_of(const Fields& fields) {
  if (fields.find("merges") != nullptr) return "BPE";
  if (const Json* vocabulary = fields.find("vocab"); vocabulary != nullptr && vocabulary->is_array()) return "Unigram";
  if (fields.find("max_input_chars_per_word") != nullptr) return "WordPiece";
  return fields.find("unk_token") != nullptr ? "WordLevel" : "";
}

}  // namespace

Status Model::encode(std::string_view word, Budget& budget, WordCache& cache, std::vector<int32_t>& ids) const {
  if (cache.append(word, ids)) return {};
  const size_t before = ids.size();
  NWC_RETURN_IF_ERROR(encode_word(word, budget, ids));
  cache.keep(word, std::span(ids).subspan(before));
  return {};
}

Result<std::unique_ptr<Model>> make_model(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json, "model"));
  NWC_ASSIGN_OR_RETURN(const std::string type, fields.string("type", type_of(fields)));
  if (type == "BPE") return made<Bpe>(json);
  if (type == "Unigram") return made<Unigram>(json);
  if (type == "WordPiece") return made<WordPiece>(json);
  if (type == "WordLevel") return made<WordLevel>(json);
  return fields.error(ErrorCode::kUnsupported, "type '" + type.substr(0, 100) + "' is not supported")
      .remedy("supported are: BPE, Unigram, WordPiece, WordLevel");
}

}  // namespace nwc::text
