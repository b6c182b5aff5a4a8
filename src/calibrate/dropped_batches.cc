#include "calibrate/dropped_batches.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "team/texts.h"

namespace nwc {
namespace {

constexpr double kMostDropped = 0.01;  // of the batches

// A line for each, "NUMBER what".
std::string lines_of(const std::map<size_t, std::string>& dropped) {
  std::string lines;
  for (const auto& [batch, what] : dropped) lines += fmt::format("{} {}\n", batch, what);
  return lines;
}

void read_lines(std::string_view lines, std::map<size_t, std::string>& dropped) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    size_t batch = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), batch);
    if (error == std::errc()) dropped[batch] = line.substr(static_cast<size_t>(end - line.data()) + 1);
    lines.remove_prefix(line.size() + 1);
  }
}

}  // namespace

Status DroppedBatches::check(size_t dropped, const std::string& what) const {
  if (static_cast<double>(dropped) <= kMostDropped * static_cast<double>(batches_)) return {};
  return Error(ErrorCode::kNonFinite, fmt::format("{}; so it is in {} of {} sequences", what, dropped, batches_))
      .in_file(checkpoint_.directory().string())
      .remedy("calibrate with --no-gradients");
}

Status DroppedBatches::drop(size_t batch, const std::string& what) {
  const std::lock_guard lock(mutex_);
  since_[batch] = what;
  return check(static_cast<size_t>(report_.sequences_without_gradient) + since_.size(), what);
}

Status DroppedBatches::settle(Team& team) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> all, texts_of_all(lines_of(since_), team));
  since_.clear();
  for (const std::string& lines : all) read_lines(lines, since_);
  for (const auto& [batch, what] : std::exchange(since_, {})) {
    ++report_.sequences_without_gradient;
    NWC_RETURN_IF_ERROR(check(static_cast<size_t>(report_.sequences_without_gradient), what));
    report_.warnings.push_back(what + ", which is left out");
  }
  return {};
}

}  // namespace nwc
