#include "text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/json_repeated_keys.h"
#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/added_vocabulary.h"
#include "text/component.h"
#include "text/models/model.h"
#include "text/stages/decoder.h"
#include "text/stages/normalizer.h"
#include "text/stages/post_processor.h"
#include "text/stages/pre_tokenizer.h"

namespace nwc {

using text::AddedToken;
using text::AddedTokenFinder;
using text::Piece;

struct Tokenizer::State {
  State(std::unique_ptr<text::Model> loaded, text::AddedVocabulary tokens)
      : model(std::move(loaded)), added(std::move(tokens)) {}

  std::unique_ptr<text::Model> model;  // never null
  text::AddedVocabulary added;
  // Null where the file has null.
  std::unique_ptr<text::Normalizer> normalizer;
  std::unique_ptr<text::PreTokenizer> pre_tokenizer;
  std::unique_ptr<text::PostProcessor> post_processor;
  std::unique_ptr<text::Decoder> decoder;
  std::vector<std::string> warnings;

  static Result<std::unique_ptr<State>> from_json(const Json& json);
  Status encode_between_tokens(Piece piece, text::Budget& budget, text::WordCache& cache,
                               std::vector<int32_t>& ids) const;
  Status encode_words(Piece piece, text::Budget& budget, text::WordCache& cache, std::vector<int32_t>& ids) const;

  const std::string* token_of(int32_t id) const {
    const std::string* token = added.token_of(id);
    return token != nullptr ? token : model->token_of(id);
  }
};

Result<std::unique_ptr<Tokenizer::State>> Tokenizer::State::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const text::Fields fields, text::Fields::of(json, "tokenizer"));
  static const Json kNull;
  const auto member = [&](std::string_view name) -> const Json& {
    const Json* value = fields.find(name);
    return value != nullptr ? *value : kNull;
  };
  NWC_ASSIGN_OR_RETURN(const Json* model_json, fields.require("model"));
  NWC_ASSIGN_OR_RETURN(std::unique_ptr<text::Model> model, text::make_model(*model_json));
  NWC_ASSIGN_OR_RETURN(std::unique_ptr<text::Normalizer> normalizer, text::make_normalizer(member("normalizer")));
  NWC_ASSIGN_OR_RETURN(const std::vector<AddedToken> tokens, text::read_added_tokens(member("added_tokens")));
  NWC_ASSIGN_OR_RETURN(text::AddedVocabulary added, text::AddedVocabulary::make(tokens, *model, normalizer.get()));
  auto state = std::make_unique<State>(std::move(model), std::move(added));
  state->normalizer = std::move(normalizer);
  NWC_ASSIGN_OR_RETURN(state->pre_tokenizer, text::make_pre_tokenizer(member("pre_tokenizer")));
  NWC_ASSIGN_OR_RETURN(state->post_processor, text::make_post_processor(member("post_processor")));
  NWC_ASSIGN_OR_RETURN(state->decoder, text::make_decoder(member("decoder")));
  state->warnings = state->added.warnings();
  if (const std::string& repeated = state->model->vocabulary().repeated(); !repeated.empty())
    state->warnings.push_back("model.vocab: " + repeated);
  return state;
}

// A stretch between added tokens that are not normalised.
Status Tokenizer::State::encode_between_tokens(Piece piece, text::Budget& budget, text::WordCache& cache,
                                               std::vector<int32_t>& ids) const {
  if (normalizer != nullptr) NWC_RETURN_IF_ERROR(normalizer->apply(piece, budget));
  for (const AddedTokenFinder::Part& part : added.in_normalized().find(piece.text)) {
    if (part.id) {
      ids.push_back(*part.id);
      continue;
    }
    Piece between{piece.text.substr(part.begin, part.end - part.begin), piece.at_start && part.begin == 0};
    NWC_RETURN_IF_ERROR(encode_words(std::move(between), budget, cache, ids));
  }
  return {};
}

Status Tokenizer::State::encode_words(Piece piece, text::Budget& budget, text::WordCache& cache,
                                      std::vector<int32_t>& ids) const {
  if (pre_tokenizer == nullptr) return model->encode(piece.text, budget, cache, ids);
  std::vector<Piece> words;
  NWC_RETURN_IF_ERROR(pre_tokenizer->split(std::move(piece), budget, words));
  for (const Piece& word : words) {
    NWC_RETURN_IF_ERROR(model->encode(word.text, budget, cache, ids));
    if (budget.stopped()) break;
  }
  return {};
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::open(const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const std::string json_text, read_text_file(path, limits::kMaxJsonFile));
  return parse(json_text, path.string());
}

Result<Tokenizer> Tokenizer::parse(std::string_view json_text, const std::string& label) {
  std::vector<std::string> repeated;
  Result<Json> json = parse_json_with_repeated_keys(json_text, repeated);
  if (!json) return std::move(json).error().in_file(label);
  Result<std::unique_ptr<State>> state = State::from_json(*json);
  if (!state) return std::move(state).error().in_file(label);
  std::vector<std::string>& warnings = (*state)->warnings;
  for (const std::string& key : repeated)
    warnings.push_back("JSON key '" + key + "' appears twice in one object; the last one counts");
  for (std::string& warning : warnings) warning.insert(0, label + ": ");
  return Tokenizer(*std::move(state));
}

Result<std::vector<int32_t>> Tokenizer::encode_file(const std::filesystem::path& path, bool add_special_tokens,
                                                    const Progress& progress) const {
  Result<std::string> text = read_text_file(path, limits::kMaxText);
  if (!text && text.error().code() == ErrorCode::kLimit) {
    return std::move(text).error().remedy("use its beginning: head -c " + std::to_string(limits::kMaxText) + " " +
                                          path.string());
  }
  if (!text) return std::move(text).error().remedy("give a text file");
  Result<std::vector<int32_t>> ids = encode(*text, add_special_tokens, progress);
  if (!ids && ids.error().code() == ErrorCode::kInterrupted) return ids;
  if (!ids) return std::move(ids).error().in_file(path.string());
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view input, bool add_special_tokens,
                                               const Progress& progress) const {
  if (input.size() > limits::kMaxText) {
    return Error(ErrorCode::kLimit, "the text is " + std::to_string(input.size()) + " bytes long; the limit is " +
                                        std::to_string(limits::kMaxText))
        .remedy("give a part of it");
  }
  std::string repaired;
  if (!is_valid_utf8(input)) {
    repaired = to_valid_utf8(input);
    input = repaired;
  }
  text::Budget budget(input.size(), progress.stop);
  text::WordCache cache;
  std::vector<int32_t> ids;
  for (const AddedTokenFinder::Part& part : state_->added.in_text().find(input)) {
    if (part.id) {
      ids.push_back(*part.id);
      continue;
    }
    Piece between{std::string(input.substr(part.begin, part.end - part.begin)), part.begin == 0};
    const Status encoded = state_->encode_between_tokens(std::move(between), budget, cache, ids);
    NWC_RETURN_IF_ERROR(progress.check_stop());  // whatever the budget's end was taken for
    NWC_RETURN_IF_ERROR(encoded);
  }
  if (add_special_tokens && state_->post_processor != nullptr) state_->post_processor->add_special_tokens(ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    const std::string* token = state_->token_of(id);
    if (token == nullptr || (skip_special_tokens && state_->added.is_special(*token))) continue;
    const std::string* text = state_->added.text_of(id);
    tokens.push_back(text != nullptr ? *text : *token);
  }
  if (state_->decoder != nullptr) state_->decoder->apply(tokens);
  const std::string_view separator = state_->decoder != nullptr ? "" : " ";
  std::string joined;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) joined += separator;
    joined += tokens[i];
  }
  return joined;
}

size_t Tokenizer::vocab_size() const {
  return state_->model->vocabulary().size() + state_->added.tokens_beside_model();
}

int32_t Tokenizer::id_limit() const {
  return std::max(state_->model->vocabulary().id_limit(), state_->added.id_limit());
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  const std::optional<int32_t> id = state_->added.id_of(std::string(token));
  return id ? id : state_->model->vocabulary().id_of(token);
}

std::optional<int32_t> Tokenizer::unknown_id() const { return state_->model->unknown_id(); }

std::optional<std::string> Tokenizer::id_to_token(int32_t id) const {
  const std::string* token = state_->token_of(id);
  if (token == nullptr) return std::nullopt;
  return *token;
}

const std::vector<std::string>& Tokenizer::warnings() const { return state_->warnings; }

}  // namespace nwc
