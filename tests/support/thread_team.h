// A team whose ranks are threads of the test's process.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "team/team.h"

namespace nwc::testing {

// What the ranks share. A rank that fails lets the others' calls fail, as the end of an MPI job would end them.
class ThreadTeams {
 public:
  explicit ThreadTeams(size_t size) : size_(size) {}

  // Runs body(team) once for each rank, all at once; the results by rank.
  template <class Body>
  auto run(Body&& body) {
    using Outcome = decltype(body(std::declval<Team&>()));
    std::vector<std::unique_ptr<Outcome>> outcomes(size_);
    {
      std::vector<std::jthread> ranks;
      for (size_t r = 0; r < size_; ++r) {
        ranks.emplace_back([&, r] {
          Rank team(*this, r);
          outcomes[r] = std::make_unique<Outcome>(body(static_cast<Team&>(team)));
          if (!*outcomes[r]) fail();
        });
      }
    }
    return outcomes;
  }

 private:
  class Rank : public Team {
   public:
    Rank(ThreadTeams& teams, size_t rank) : teams_(teams), rank_(rank) {}
    size_t rank() const override { return rank_; }
    size_t size() const override { return teams_.size_; }
    size_t local_rank() const override { return rank_; }
    Result<size_t> claim() override {
      const std::lock_guard lock(teams_.mutex_);
      return teams_.claimed_++;
    }
    Status meet() override { return teams_.add_up({}); }
    Status gather(std::span<double> values) override { return teams_.add_up(values); }
    Status sum(std::span<double> values) override { return teams_.add_up(values); }
    void abort() override { std::abort(); }

   private:
    ThreadTeams& teams_;
    size_t rank_;
  };

  // Of all ranks, into the values of each.
  Status add_up(std::span<double> values) {
    std::unique_lock lock(mutex_);
    if (there_ == 0) sums_.assign(values.size(), 0.0);
    for (size_t i = 0; i < values.size(); ++i) sums_.at(i) += values[i];
    const size_t meeting = meetings_;
    if (++there_ == size_) {
      there_ = 0;
      ++meetings_;
      done_ = sums_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return meetings_ != meeting || failed_; });
    if (meetings_ == meeting) return Error(ErrorCode::kInternal, "another rank has failed");
    std::copy(done_.begin(), done_.end(), values.begin());
    return {};
  }

  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
  }

  size_t size_, there_ = 0, meetings_ = 0, claimed_ = 0;
  bool failed_ = false;
  std::vector<double> sums_, done_;  // of the meeting that is forming; of the last one
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace nwc::testing
