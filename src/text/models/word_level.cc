#include "text/models/word_level.h"

#include "text/component.h"
#include "text/models/unknown_token.h"

namespace nwc::text {

Result<WordLevel> WordLevel::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json, "model"));
  WordLevel model;
  NWC_ASSIGN_OR_RETURN(const Json* vocabulary, fields.require("vocab"));
  NWC_ASSIGN_OR_RETURN(model.vocabulary_, Vocabulary::from_json(*vocabulary));
  NWC_ASSIGN_OR_RETURN(model.unknown_token_, fields.string("unk_token"));
  return model;
}

Status WordLevel::encode_word(std::string_view word, Budget&, std::vector<int32_t>& ids) const {
  std::optional<int32_t> id = vocabulary_.id_of(word);
  if (!id) id = vocabulary_.id_of(unknown_token_);
  if (!id) return unknown_token_is_missing(word, unknown_token_);
  ids.push_back(*id);
  return {};
}

}  // namespace nwc::text
