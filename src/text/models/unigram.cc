#include "text/models/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "nwcodec/limits.h"
#include "regex/utf8.h"
#include "text/component.h"

namespace nwc::text {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the lowest score: SentencePiece's
constexpr size_t kUnreached = ~size_t{0};

}  // namespace

Result<Unigram> Unigram::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json, "model"));
  Unigram model;
  NWC_ASSIGN_OR_RETURN(const std::vector<const Json*> entries, fields.array("vocab"));
  if (entries.size() >= static_cast<size_t>(limits::kMaxTokenIds))
    return fields.error(ErrorCode::kLimit, "'vocab' has too many tokens");
  double lowest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Json& entry = *entries[i];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      return fields.error(ErrorCode::kCorrupt, fmt::format("vocab[{}] is not a token and its score", i));
    }
    const auto id = static_cast<int32_t>(i);
    model.tokens_.push_back(entry[0].get<std::string>());
    model.scores_.push_back(entry[1].get<double>());
    lowest = std::min(lowest, model.scores_.back());
    model.vocabulary_.add(model.tokens_.back(), id);
    model.prefixes_.add(model.tokens_.back(), id);
  }
  model.prefixes_.prepare();
  model.unknown_score_ = lowest - kUnknownPenalty;
  if (fields.find("unk_id") != nullptr) {
    NWC_ASSIGN_OR_RETURN(model.unknown_id_, fields.token_id("unk_id"));
    if (static_cast<size_t>(*model.unknown_id_) >= entries.size())
      return fields.error(ErrorCode::kCorrupt, "'unk_id' is not in the vocabulary");
  }
  NWC_ASSIGN_OR_RETURN(model.byte_fallback_, fields.boolean("byte_fallback", false));
  for (unsigned byte = 0; byte < 256; ++byte)
    model.byte_ids_[byte] = model.vocabulary_.id_of(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  return model;
}

const std::string* Unigram::token_of(int32_t id) const {
  return id < 0 || static_cast<size_t>(id) >= tokens_.size() ? nullptr : &tokens_[static_cast<size_t>(id)];
}

Status Unigram::encode_word(std::string_view word, Budget& budget, std::vector<int32_t>& ids) const {
  // The best path to each position. A token's id as unknown_id_ marks an unknown character also where a file has it as
  // a token of its own.
  struct Node {
    double score = 0;
    size_t begin = kUnreached;
    int32_t id = 0;
  };
  std::vector<Node> ends(word.size() + 1);
  const auto reach = [&](size_t begin, size_t end, double score, int32_t id) {
    Node& node = ends[end];
    const double total = score + ends[begin].score;
    if (node.begin == kUnreached || total > node.score) node = {total, begin, id};
  };
  for (size_t pos = 0; pos < word.size();) {
    const size_t character = utf8_length(word[pos]);
    bool single = false;
    prefixes_.for_each_at(word.substr(pos), [&](size_t length, int32_t id) {
      reach(pos, pos + length, scores_[static_cast<size_t>(id)], id);
      single = single || length == character;
    });
    if (!single) {
      const bool better =
          ends[pos + character].begin == kUnreached || unknown_score_ + ends[pos].score > ends[pos + character].score;
      if (better && !unknown_id_) {
        return Error(ErrorCode::kCorrupt, "the text has '" + std::string(word.substr(pos, character)) +
                                              "', which needs model.unk_id, but that is not set");
      }
      reach(pos, pos + character, unknown_score_, unknown_id_.value_or(0));
    }
    pos += character;
    if (budget.out_of_time()) return Error(ErrorCode::kLimit, "model: its tokens take too long on this text");
  }

  struct Piece {
    size_t begin, end;
    bool unknown;
  };
  std::vector<Piece> pieces;  // from the last to the first
  for (size_t end = word.size(); end > 0; end = ends[end].begin) {
    const bool unknown = unknown_id_ && ends[end].id == *unknown_id_;
    if (unknown && !pieces.empty() && pieces.back().unknown) {
      pieces.back().begin = ends[end].begin;
    } else {
      pieces.push_back({ends[end].begin, end, unknown});
    }
  }
  for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
    NWC_RETURN_IF_ERROR(append_piece(word.substr(piece->begin, piece->end - piece->begin), ids));
  }
  return {};
}

Status Unigram::append_piece(std::string_view piece, std::vector<int32_t>& ids) const {
  if (const std::optional<int32_t> id = vocabulary_.id_of(piece)) {
    ids.push_back(*id);
    return {};
  }
  const auto byte_id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (byte_fallback_ && std::all_of(piece.begin(), piece.end(), [&](char c) { return byte_id(c) >= 0; })) {
    for (const char c : piece) ids.push_back(byte_id(c));
    return {};
  }
  if (!unknown_id_) return Error(ErrorCode::kInternal, "an unknown piece without unk_id");
  ids.push_back(*unknown_id_);
  return {};
}

}  // namespace nwc::text
