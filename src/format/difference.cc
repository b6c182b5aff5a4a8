#include "format/difference.h"

#include <charconv>

#include "base/hash.h"

namespace nwc {
namespace {

constexpr const char* kKind = "nwcodec.difference";
constexpr const char* kBase = "nwcodec.base";
constexpr const char* kLayer = "nwcodec.layer";
constexpr const char* kBasePath = "nwcodec.base_path";
constexpr const char* kRefinement = "refinement";
constexpr const char* kDelta = "delta";
constexpr size_t kMostPath = 4096;

// nullopt for anything else than a number's shortest spelling.
std::optional<unsigned> layer_from(std::string_view text) {
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number == 0 || number > kMostLayers ||
      text[0] == '0')
    return std::nullopt;
  return number;
}

std::optional<uint64_t> identity_from(std::string_view text) {
  if (text.size() != 16 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos) return std::nullopt;
  uint64_t identity = 0;
  std::from_chars(text.data(), text.data() + text.size(), identity, 16);
  return identity;
}

std::string value_of(const std::map<std::string, std::string>& metadata, const char* key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

Result<Difference> parse(const std::map<std::string, std::string>& metadata) {
  const auto corrupt = [](const char* key) {
    return Error(ErrorCode::kCorrupt, std::string("metadata: ") + key + " is missing or has no value that it may have");
  };
  Difference difference;
  const std::string kind = value_of(metadata, kKind);
  if (kind != kRefinement && kind != kDelta) return corrupt(kKind);
  difference.kind = kind == kDelta ? Difference::Kind::kDelta : Difference::Kind::kRefinement;
  const std::optional<uint64_t> base = identity_from(value_of(metadata, kBase));
  if (!base) return corrupt(kBase);
  difference.base = *base;
  const std::optional<unsigned> layer = layer_from(value_of(metadata, kLayer));
  if (!layer) return corrupt(kLayer);
  difference.layer = *layer;
  difference.base_path = value_of(metadata, kBasePath);
  if (difference.base_path.size() > kMostPath || difference.base_path.find('\0') != std::string::npos)
    return corrupt(kBasePath);
  return difference;
}

}  // namespace

Result<std::optional<Difference>> difference_of(const Checkpoint& checkpoint) {
  std::optional<Difference> difference;
  const std::map<std::string, std::string>* first = nullptr;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    const std::map<std::string, std::string>& metadata = shard.metadata();
    if (first != nullptr) {
      for (const char* key : {kKind, kBase, kLayer, kBasePath}) {
        if (value_of(metadata, key) == value_of(*first, key)) continue;
        return Error(ErrorCode::kMismatch, std::string("metadata: ") + key + " is not that of the other shards")
            .in_file(shard.path().string())
            .remedy("fetch the directory again: its shards do not belong together");
      }
      continue;
    }
    first = &metadata;
    if (!metadata.contains(kKind)) continue;
    Result<Difference> parsed = parse(metadata);
    if (!parsed) return std::move(parsed).error().in_file(shard.path().string());
    difference = *std::move(parsed);
  }
  return difference;
}

void add_metadata(const Difference& difference, std::map<std::string, std::string>& metadata) {
  const bool is_delta = difference.kind == Difference::Kind::kDelta;
  metadata[kKind] = is_delta ? kDelta : kRefinement;
  metadata[kBase] = hex64(difference.base);
  metadata[kLayer] = std::to_string(difference.layer);
  if (is_delta) metadata[kBasePath] = difference.base_path;
}

bool is_difference_key(std::string_view key) {
  return key == kKind || key == kBase || key == kLayer || key == kBasePath;
}

}  // namespace nwc
