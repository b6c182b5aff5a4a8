#include "checkpoint/run_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/hash.h"
#include "checkpoint/content_hash.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/version.h"

namespace nwc {
namespace {

using Line = std::pair<std::string, std::string>;

// Control characters and backslashes as \xNN, so that a line stays one.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '\\' || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t colon = std::min(line.find(": "), line.size());
    lines.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

const Line* find(const std::vector<Line>& lines, const std::string& name) {
  const auto found = std::find_if(lines.begin(), lines.end(), [&](const Line& line) { return line.first == name; });
  return found == lines.end() ? nullptr : &*found;
}

}  // namespace

RunIdentity::RunIdentity(std::string_view command) {
  add("command", command);
  add("nwcodec", NWCODEC_VERSION_STRING);
}

void RunIdentity::add(std::string_view name, std::string_view value) {
  text_ += escaped(name) + ": " + escaped(value) + "\n";
}

std::string RunIdentity::number_text(double value) { return fmt::format("{}", value); }

void RunIdentity::add_hash(std::string_view name, uint64_t hash) { add(name, std::string_view(hex64(hash))); }

void RunIdentity::add_each(std::string_view name, const std::vector<std::string>& values) {
  for (size_t i = 0; i < values.size(); ++i) add(fmt::format("{} {}", name, i + 1), std::string_view(values[i]));
}

Status RunIdentity::add_file(std::string_view name, const std::filesystem::path& path) {
  NWC_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  add_hash(name, xxh3(file.bytes()));
  return {};
}

void RunIdentity::add_weights(std::string_view name, const Checkpoint& checkpoint, int threads) {
  for (const SafetensorsFile& shard : checkpoint.shards())
    add_hash(fmt::format("{} {}", name, shard.path().filename().string()), content_hash(shard, threads));
}

std::string RunIdentity::digest() const { return hex64(xxh3(text_)); }

std::string RunIdentity::difference(std::string_view started, std::string_view now) {
  const std::vector<Line> before = lines_of(started), after = lines_of(now);
  // The first difference is the cause of those behind it: the first new line against the first that changed or went.
  size_t added = 0;
  while (added < after.size() && find(before, after[added].first) != nullptr) ++added;
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& [name, value] = before[i];
    const Line* const other = find(after, name);
    if (other != nullptr && other->second == value) continue;
    if (i >= added && added < after.size()) break;
    if (other == nullptr) return fmt::format("was started with {} {}, this run has none", name, value);
    return fmt::format("was started with {} {}, this run has {}", name, value, other->second);
  }
  if (added < after.size())
    return fmt::format("was started without {}, this run has {}", after[added].first, after[added].second);
  return started == now ? std::string() : "was started with the same lines in another order";
}

}  // namespace nwc
