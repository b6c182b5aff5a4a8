#include "text/models/bpe.h"

#include <fmt/format.h>

#include <algorithm>

#include "regex/utf8.h"
#include "text/component.h"
#include "text/models/unknown_token.h"

namespace nwc::text {
namespace {

std::string shortened(std::string_view text) { return std::string(text.substr(0, 100)); }

// The two sides of a merge, in either form.
Result<std::pair<std::string, std::string>> sides_of(const Json& merge, size_t index) {
  const auto bad = [&](const char* what) {
    return Error(ErrorCode::kCorrupt, fmt::format("model.merges[{}] {}", index, what));
  };
  if (merge.is_array()) {
    if (merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) return bad("is not a pair of strings");
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (!merge.is_string()) return bad("is neither a string nor a pair of strings");
  const std::string& text = merge.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == text.npos || text.find(' ', space + 1) != text.npos)
    return bad("is not two tokens with one space between");
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

// Entries of the merge queue order by rank, then by position.
uint64_t queue_entry(int32_t rank, size_t position) { return uint64_t{static_cast<uint32_t>(rank)} << 32 | position; }

}  // namespace

Result<Bpe> Bpe::from_json(const Json& json) {
  NWC_ASSIGN_OR_RETURN(const Fields fields, Fields::of(json, "model"));
  if (const Json* dropout = fields.find("dropout"); dropout != nullptr && *dropout != 0) {
    return fields.error(ErrorCode::kUnsupported, "dropout is not supported").remedy("set it to null");
  }
  Bpe bpe;
  NWC_ASSIGN_OR_RETURN(bpe.byte_fallback_, fields.boolean("byte_fallback", false));
  NWC_ASSIGN_OR_RETURN(bpe.ignore_merges_, fields.boolean("ignore_merges", false));
  NWC_ASSIGN_OR_RETURN(bpe.fuse_unknown_, fields.boolean("fuse_unk", false));
  NWC_ASSIGN_OR_RETURN(bpe.prefix_, fields.string("continuing_subword_prefix", ""));
  NWC_ASSIGN_OR_RETURN(bpe.suffix_, fields.string("end_of_word_suffix", ""));
  NWC_ASSIGN_OR_RETURN(const Json* vocabulary, fields.require("vocab"));
  NWC_ASSIGN_OR_RETURN(bpe.vocabulary_, Vocabulary::from_json(*vocabulary));
  NWC_ASSIGN_OR_RETURN(const Json* merges, fields.require("merges"));
  NWC_RETURN_IF_ERROR(bpe.read_merges(*merges));
  if (fields.find("unk_token") != nullptr) {
    NWC_ASSIGN_OR_RETURN(bpe.unknown_token_, fields.string("unk_token"));
    bpe.unknown_id_ = bpe.vocabulary_.id_of(*bpe.unknown_token_);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    bpe.byte_ids_[byte] = bpe.vocabulary_.id_of(fmt::format("<0x{:02X}>", byte)).value_or(-1);
  }
  return bpe;
}

Status Bpe::read_merges(const Json& json) {
  if (!json.is_array()) return Error(ErrorCode::kCorrupt, "model.merges is not an array");
  merges_ = MergeTable(json.size());
  int32_t rank = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    // The first line of a merges.txt, which old converters took over.
    if (json[i].is_string() && json[i].get_ref<const std::string&>().starts_with("#version")) continue;
    NWC_ASSIGN_OR_RETURN(const auto sides, sides_of(json[i], i));
    const auto& [left, right] = sides;
    const auto id_of = [&](const std::string& token) -> Result<int32_t> {
      if (const std::optional<int32_t> id = vocabulary_.id_of(token)) return *id;
      return Error(ErrorCode::kCorrupt,
                   fmt::format("model.merges[{}] needs '{}', which is not in the vocabulary", i, shortened(token)));
    };
    NWC_ASSIGN_OR_RETURN(const int32_t left_id, id_of(left));
    NWC_ASSIGN_OR_RETURN(const int32_t right_id, id_of(right));
    if (!right.starts_with(prefix_)) {
      return Error(ErrorCode::kCorrupt,
                   fmt::format("model.merges[{}]: '{}' lacks the continuing_subword_prefix", i, shortened(right)));
    }
    NWC_ASSIGN_OR_RETURN(const int32_t merged, id_of(left + right.substr(prefix_.size())));
    merges_.set(left_id, right_id, {rank++, merged});
  }
  return {};
}

Status Bpe::encode_word(std::string_view word, Budget&, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    if (const std::optional<int32_t> id = vocabulary_.id_of(word)) {
      ids.push_back(*id);
      return {};
    }
  }
  NWC_ASSIGN_OR_RETURN(std::vector<int32_t> symbols, characters_of(word));
  merge(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  return {};
}

// The word's characters as ids, before any merge.
Result<std::vector<int32_t>> Bpe::characters_of(std::string_view word) const {
  std::vector<int32_t> symbols;
  symbols.reserve(word.size());
  bool pending_unknown = false;
  const auto flush = [&] {
    if (pending_unknown) symbols.push_back(*unknown_id_);
    pending_unknown = false;
  };
  std::string decorated;
  for (size_t pos = 0; pos < word.size();) {
    const size_t length = utf8_length(word[pos]);
    std::string_view character = word.substr(pos, length);
    if (!prefix_.empty() || !suffix_.empty()) {
      decorated = (pos == 0 ? "" : prefix_) + std::string(character) + (pos + length == word.size() ? suffix_ : "");
      character = decorated;
    }
    pos += length;
    if (const std::optional<int32_t> id = vocabulary_.id_of(character)) {
      flush();
      symbols.push_back(*id);
      continue;
    }
    if (byte_fallback_ && std::all_of(character.begin(), character.end(),
                                      [&](char c) { return byte_ids_[static_cast<unsigned char>(c)] >= 0; })) {
      // A pending unknown token stays pending, and so comes after the bytes: that is what the reference does.
      for (const char c : character) symbols.push_back(byte_ids_[static_cast<unsigned char>(c)]);
      continue;
    }
    if (!unknown_token_) continue;
    if (!unknown_id_) return unknown_token_is_missing(character, *unknown_token_);
    if (!fuse_unknown_) flush();
    pending_unknown = true;
  }
  flush();
  return symbols;
}

// Merges the pair of the lowest rank, the leftmost first, until no pair has a merge.
void Bpe::merge(std::vector<int32_t>& symbols) const {
  constexpr int32_t kGone = -1;
  constexpr size_t kNone = ~size_t{0};
  const size_t count = symbols.size();
  std::vector<uint64_t> queue;  // a heap, smallest first; entries may be out of date
  for (size_t i = 0; i + 1 < count; ++i) {
    if (const MergeTable::Merge* m = merges_.find(symbols[i], symbols[i + 1])) queue.push_back(queue_entry(m->rank, i));
  }
  if (queue.empty()) return;
  std::make_heap(queue.begin(), queue.end(), std::greater<>());

  // The symbols that are left, as a doubly linked list over their positions.
  std::vector<std::pair<uint32_t, uint32_t>> links(count);  // before, behind; `count` for none
  for (size_t i = 0; i < count; ++i)
    links[i] = {static_cast<uint32_t>(i == 0 ? count : i - 1), static_cast<uint32_t>(i + 1)};
  const auto before = [&](size_t i) { return links[i].first == count ? kNone : links[i].first; };
  const auto behind = [&](size_t i) { return links[i].second == count ? kNone : links[i].second; };
  const auto push = [&](size_t left, size_t right) {
    if (left == kNone || right == kNone) return;
    if (const MergeTable::Merge* m = merges_.find(symbols[left], symbols[right])) {
      queue.push_back(queue_entry(m->rank, left));
      std::push_heap(queue.begin(), queue.end(), std::greater<>());
    }
  };

  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    const uint64_t top = queue.back();
    queue.pop_back();
    const size_t left = static_cast<uint32_t>(top);
    if (symbols[left] == kGone) continue;
    const size_t right = behind(left);
    if (right == kNone) continue;
    const MergeTable::Merge* m = merges_.find(symbols[left], symbols[right]);
    if (m == nullptr || static_cast<uint64_t>(m->rank) != top >> 32) continue;
    symbols[left] = m->merged;
    symbols[right] = kGone;
    links[left].second = links[right].second;
    if (const size_t next = behind(left); next != kNone) links[next].first = static_cast<uint32_t>(left);
    push(before(left), left);
    push(left, behind(left));
  }
  std::erase(symbols, kGone);
}

}  // namespace nwc::text
