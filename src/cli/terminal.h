// Progress on stderr, interruption by Ctrl-C, and numbers for people.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "nwcodec/progress.h"

namespace nwc::cli {

// Set by SIGINT and SIGTERM; a second signal ends the process at once. install_interrupt_handler() is called once, by
// main().
const std::atomic<bool>& interrupt_flag();
void install_interrupt_handler();

// One line that is rewritten in place: share done, what is worked on, time left. Silent if stderr is no terminal or
// `quiet`.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ProgressLine(const ProgressLine&) = delete;
  ~ProgressLine();
  // Refers to this object.
  Progress progress();
  void update(uint64_t done, uint64_t total, const std::string& what);
  // Prints a line of its own above the progress, also where there is no terminal; nothing if quiet.
  void note(const std::string& line);

 private:
  using Clock = std::chrono::steady_clock;
  void clear();
  bool quiet_, shown_ = false, terminal_;
  std::string stage_;
  Clock::time_point stage_began_, last_drawn_;
  uint64_t stage_first_ = 0;
};

// Control characters become \xNN: tensor and file names come from strangers, and must neither steer the terminal nor
// break a message into lines.
std::string printable(const std::string& text);

std::string human_bytes(uint64_t bytes);                     // "13.1 MB"
std::string human_duration(double seconds);                  // "1:05"
std::string shape_text(const std::vector<uint64_t>& shape);  // "4096 x 4096"

// Columns padded to their widest cell; the first is left-aligned, the others right-aligned.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nwc::cli
