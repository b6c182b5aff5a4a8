#include "cli/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace nwc::cli {
namespace {

std::atomic<bool> interrupted{false};

extern "C" void on_signal(int) { interrupted.store(true, std::memory_order_relaxed); }

constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

const std::atomic<bool>& interrupt_flag() { return interrupted; }

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESETHAND;  // the second one kills
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_IGN);  // a file size limit then shows as an error of write()
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { clear(); }

Progress ProgressLine::progress() {
  return {.report = [this](uint64_t done, uint64_t total, const std::string& what) { update(done, total, what); },
          .stop = &interrupt_flag()};
}

void ProgressLine::update(uint64_t done, uint64_t total, const std::string& what) {
  if (!terminal_) return;
  const Clock::time_point now = Clock::now();
  if (stage_.empty() || done < stage_first_) {
    stage_ = what;
    stage_began_ = now;
    stage_first_ = done;
  }
  if (shown_ && now - last_drawn_ < kRedraw && done != total) return;
  last_drawn_ = now;
  const double share = total == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(total);
  std::string line = fmt::format("{:5.1f} %  {}", 100.0 * share, printable(what));
  const double elapsed = std::chrono::duration<double>(now - stage_began_).count();
  if (done > stage_first_ && elapsed > 1.0 && done < total) {
    const double left = elapsed * static_cast<double>(total - done) / static_cast<double>(done - stage_first_);
    line += fmt::format("  {} left", human_duration(left));
  }
  fmt::print(stderr, "\r\x1b[K{}", line.substr(0, 110));
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::note(const std::string& line) {
  if (quiet_) return;
  clear();
  fmt::print(stderr, "{}\n", printable(line));
}

void ProgressLine::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

std::string printable(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u; };
    if (byte(i) < 0x20 || byte(i) == 0x7F) {
      result += fmt::format("\\x{:02x}", byte(i));
    } else if (byte(i) == 0xC2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xA0) {  // U+0080 to U+009F
      result += fmt::format("\\x{:02x}\\x{:02x}", byte(i), byte(i + 1));
      ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string human_bytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  const char* const units[] = {"kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string human_duration(double seconds) {
  const uint64_t s = static_cast<uint64_t>(std::max(0.0, seconds) + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text;
  for (const uint64_t d : shape) text += (text.empty() ? "" : " x ") + std::to_string(d);
  return text;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace nwc::cli
