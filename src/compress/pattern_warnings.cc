#include "compress/pattern_warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include "base/spelling.h"
#include "checkpoint/checksums.h"
#include "weights/name_patterns.h"

namespace nwc {
namespace {

bool is_word_byte(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Parts of the tensors' names: "self_attn", "q_proj", "weight".
std::vector<std::string> name_parts(const Checkpoint& checkpoint) {
  std::set<std::string> parts;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      for (size_t begin = 0; begin < tensor.name.size();) {
        const size_t end = std::min(tensor.name.find('.', begin), tensor.name.size());
        parts.insert(tensor.name.substr(begin, end - begin));
        begin = end + 1;
      }
    }
  }
  return {parts.begin(), parts.end()};
}

// The pattern with each word that no name has, nor part of a name, replaced by the closest part; nullopt if nothing is
// close.
std::optional<std::string> corrected(const std::string& pattern, const std::vector<std::string>& parts) {
  std::string result;
  bool changed = false;
  for (size_t pos = 0; pos < pattern.size();) {
    size_t end = pos;
    while (end < pattern.size() && is_word_byte(pattern[end])) ++end;
    const bool escape = pos > 0 && pattern[pos - 1] == '\\';  // "\d" is no word
    if (end == pos || escape) {
      result += pattern[pos++];
      continue;
    }
    const std::string word = pattern.substr(pos, end - pos);
    const auto holds = [&](const std::string& part) { return part.find(word) != part.npos; };
    const std::string close = std::any_of(parts.begin(), parts.end(), holds) ? "" : closest(word, parts);
    result += close.empty() ? word : close;
    changed = changed || !close.empty();
    pos = end;
  }
  return changed ? std::optional(result) : std::nullopt;
}

struct Matches {
  size_t tensors = 0;
  size_t compressible = 0;
  std::string first, why_not;  // a tensor that matches, and why it cannot be compressed
};

Result<Matches> matches_of(const Checkpoint& checkpoint, const char* option, const std::string& pattern) {
  NWC_ASSIGN_OR_RETURN(const NamePatterns names, NamePatterns::compile(option, {pattern}));
  NWC_ASSIGN_OR_RETURN(const Selection wanted, Selection::make({.include = {pattern}, .exclude = {}}, ModelKind{}));
  Matches matches;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      if (tensor.name == kChecksumTensorName) continue;
      Result<bool> found = names.match(tensor.name);
      if (!found) return std::move(found).error().in_file(shard.path().string());
      if (!*found) continue;
      NWC_ASSIGN_OR_RETURN(const Verdict verdict, wanted.judge(tensor));
      if (verdict == Verdict::kCompressed) matches.compressible += 1;
      if (matches.tensors++ > 0) continue;
      matches.first = tensor.name;
      matches.why_not = explanation_of(verdict, tensor);
    }
  }
  return matches;
}

}  // namespace

Result<std::vector<std::string>> pattern_warnings(const Checkpoint& checkpoint, const SelectionOptions& options) {
  std::vector<std::string> warnings, parts;
  const auto look = [&](const char* option, const std::string& pattern, bool must_compress) -> Status {
    NWC_ASSIGN_OR_RETURN(const Matches matches, matches_of(checkpoint, option, pattern));
    if (matches.tensors == 0) {
      if (parts.empty()) parts = name_parts(checkpoint);
      const std::optional<std::string> meant = corrected(pattern, parts);
      warnings.push_back(fmt::format(
          "{} '{}' matches no tensor{}", option, pattern,
          meant ? fmt::format("; did you mean '{}'?", *meant) : "; nwcodec compress MODEL --list shows their names"));
    } else if (must_compress && matches.compressible == 0) {
      warnings.push_back(fmt::format("{} '{}' matches no tensor that can be compressed: {} {}", option, pattern,
                                     matches.first, matches.why_not));
    }
    return {};
  };
  for (const std::string& pattern : options.include) NWC_RETURN_IF_ERROR(look("--include", pattern, true));
  for (const std::string& pattern : options.exclude) NWC_RETURN_IF_ERROR(look("--exclude", pattern, false));
  return warnings;
}

}  // namespace nwc
