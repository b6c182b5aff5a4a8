#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/bpe.h"
#include "text/stages/added_tokens.h"
#include "text/stages/component.h"
#include "text/stages/decoder.h"
#include "text/stages/normalizer.h"
#include "text/stages/post_processor.h"
#include "text/stages/pre_tokenizer.h"

namespace nwc {

using text::AddedToken;
using text::AddedTokenFinder;
using text::Piece;

struct Tokenizer::State {
  explicit State(text::Bpe bpe) : model(std::move(bpe)) {}

  text::Bpe model;
  text::Vocabulary added;  // tokens that only added_tokens has
  std::unordered_set<int32_t> special;
  std::unordered_map<int32_t, std::string>
      normalized_text;             // of added tokens that are normalised, as decode() writes them
  AddedTokenFinder in_text;        // added tokens that are looked for in the text as it is,
  AddedTokenFinder in_normalized;  // and after the normalizer
  // Null where the file has null.
  std::unique_ptr<text::Normalizer> normalizer;
  std::unique_ptr<text::PreTokenizer> pre_tokenizer;
  std::unique_ptr<text::PostProcessor> post_processor;
  std::unique_ptr<text::Decoder> decoder;

  static Result<std::unique_ptr<State>> from_json(const Json& json);
  Status add_tokens(const std::vector<AddedToken>& tokens);
  Status encode_between_tokens(Piece piece, text::Budget& budget, text::WordCache& cache,
                               std::vector<int32_t>& ids) const;
  Status encode_words(Piece piece, text::Budget& budget, text::WordCache& cache, std::vector<int32_t>& ids) const;

  std::optional<int32_t> id_of(std::string_view token) const {
    const std::optional<int32_t> id = model.vocabulary().id_of(token);
    return id ? id : added.id_of(token);
  }
  const std::string* token_of(int32_t id) const {
    const std::string* token = model.vocabulary().token_of(id);
    return token != nullptr ? token : added.token_of(id);
  }
};

Result<std::unique_ptr<Tokenizer::State>> Tokenizer::State::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const text::Fields fields, text::Fields::of(json, "tokenizer"));
  static const Json kNull;
  const auto member = [&](std::string_view name) -> const Json& {
    const Json* value = fields.find(name);
    return value != nullptr ? *value : kNull;
  };
  NWC_ASSIGN_OR_RETURN(const Json* model, fields.require("model"));
  NWC_ASSIGN_OR_RETURN(text::Bpe bpe, text::Bpe::from_json(*model));
  auto state = std::make_unique<State>(std::move(bpe));
  NWC_ASSIGN_OR_RETURN(state->normalizer, text::make_normalizer(member("normalizer")));
  NWC_ASSIGN_OR_RETURN(state->pre_tokenizer, text::make_pre_tokenizer(member("pre_tokenizer")));
  NWC_ASSIGN_OR_RETURN(state->post_processor, text::make_post_processor(member("post_processor")));
  NWC_ASSIGN_OR_RETURN(state->decoder, text::make_decoder(member("decoder")));
  NWC_ASSIGN_OR_RETURN(const std::vector<AddedToken> added, text::read_added_tokens(member("added_tokens")));
  NWC_RETURN_IF_ERROR(state->add_tokens(added));
  return state;
}

Status Tokenizer::State::add_tokens(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    const std::string name = "added token '" + token.content.substr(0, 100) + "'";
    if (const std::optional<int32_t> id = model.vocabulary().id_of(token.content)) {
      if (*id != token.id) {
        return Error(ErrorCode::kCorrupt,
                     name + " has id " + std::to_string(token.id) + ", but " + std::to_string(*id) + " in model.vocab");
      }
    } else if (const std::string* other = token_of(token.id)) {
      return Error(ErrorCode::kCorrupt,
                   name + " has id " + std::to_string(token.id) + ", which belongs to '" + other->substr(0, 100) + "'");
    } else {
      NWC_RETURN_IF_ERROR(added.add(token.content, token.id));
    }
    if (token.special) special.insert(token.id);
    if (!token.normalized) {
      in_text.add(token.content, token);
      continue;
    }
    Piece content{token.content, true};
    text::Budget budget(token.content.size());
    if (normalizer != nullptr) NWC_RETURN_IF_ERROR(normalizer->apply(content, budget));
    if (content.text.size() > limits::kMaxAddedToken) {
      return Error(ErrorCode::kLimit,
                   name + " is longer than " + std::to_string(limits::kMaxAddedToken) + " bytes when normalised");
    }
    normalized_text.emplace(token.id, content.text);
    in_normalized.add(std::move(content.text), token);
  }
  in_text.prepare();
  in_normalized.prepare();
  return {};
}

// A stretch between added tokens that are not normalised.
Status Tokenizer::State::encode_between_tokens(Piece piece, text::Budget& budget, text::WordCache& cache,
                                               std::vector<int32_t>& ids) const {
  if (normalizer != nullptr) NWC_RETURN_IF_ERROR(normalizer->apply(piece, budget));
  for (const AddedTokenFinder::Part& part : in_normalized.find(piece.text)) {
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
  if (pre_tokenizer == nullptr) return model.encode(piece.text, cache, ids);
  std::vector<Piece> words;
  NWC_RETURN_IF_ERROR(pre_tokenizer->split(std::move(piece), budget, words));
  for (const Piece& word : words) NWC_RETURN_IF_ERROR(model.encode(word.text, cache, ids));
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
  Result<Json> json = parse_json(json_text);
  if (!json) return std::move(json).error().in_file(label);
  Result<std::unique_ptr<State>> state = State::from_json(*json);
  if (!state) return std::move(state).error().in_file(label);
  return Tokenizer(*std::move(state));
}

Result<std::vector<int32_t>> Tokenizer::encode_file(const std::filesystem::path& path, bool add_special_tokens) const {
  Result<std::string> text = read_text_file(path, limits::kMaxText);
  if (!text && text.error().code() == ErrorCode::kLimit) {
    return std::move(text).error().remedy("use its beginning: head -c " + std::to_string(limits::kMaxText) + " " +
                                          path.string());
  }
  if (!text) return std::move(text).error();
  Result<std::vector<int32_t>> ids = encode(*text, add_special_tokens);
  if (!ids) return std::move(ids).error().in_file(path.string());
  return ids;
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view input, bool add_special_tokens) const {
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
  text::Budget budget(input.size());
  text::WordCache cache;
  std::vector<int32_t> ids;
  for (const AddedTokenFinder::Part& part : state_->in_text.find(input)) {
    if (part.id) {
      ids.push_back(*part.id);
      continue;
    }
    Piece between{std::string(input.substr(part.begin, part.end - part.begin)), part.begin == 0};
    NWC_RETURN_IF_ERROR(state_->encode_between_tokens(std::move(between), budget, cache, ids));
  }
  if (add_special_tokens && state_->post_processor != nullptr) state_->post_processor->add_special_tokens(ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    const std::string* token = state_->token_of(id);
    if (token == nullptr || (skip_special_tokens && state_->special.contains(id))) continue;
    const auto normalized = state_->normalized_text.find(id);
    tokens.push_back(normalized != state_->normalized_text.end() ? normalized->second : *token);
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

size_t Tokenizer::vocab_size() const { return state_->model.vocabulary().size() + state_->added.size(); }

int32_t Tokenizer::id_limit() const {
  return std::max(state_->model.vocabulary().id_limit(), state_->added.id_limit());
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const { return state_->id_of(token); }

std::optional<std::string> Tokenizer::id_to_token(int32_t id) const {
  const std::string* token = state_->token_of(id);
  if (token == nullptr) return std::nullopt;
  return *token;
}

}  // namespace nwc
