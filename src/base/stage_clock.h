// How long the stages of a computation took.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace nwc {

struct StageTime {
  std::string name;
  double seconds = 0;
};

// One stage at a time. Appends to `times`, which must outlive it.
class StageClock {
 public:
  explicit StageClock(std::vector<StageTime>& times) : times_(times) {}
  // Ends the stage before, if there is one.
  void begin(std::string name) {
    end();
    times_.push_back({std::move(name)});
    started_ = Clock::now();
    running_ = true;
  }
  void end() {
    if (running_) times_.back().seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    running_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<StageTime>& times_;
  Clock::time_point started_;
  bool running_ = false;
};

}  // namespace nwc
