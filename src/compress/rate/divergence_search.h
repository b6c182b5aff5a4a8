// `nwcodec compress --divergence D`: the lowest rate at which the measured KL divergence is at most D, from a
// prediction and at most three measurements.
#pragma once

#include <optional>
#include <vector>

namespace nwc {

// The logarithm of the divergence is nearly a straight line over the rate: what is measured moves the line and then
// turns it. Plain arithmetic: the same numbers, the same rates.
class DivergenceSearch {
 public:
  static constexpr double kLeastBits = 1, kMostBits = 7;
  static constexpr int kMostTrials = 3;
  // The lowest rate of a first measurement: predictions are quadratic in the errors, and fall far short of what a model
  // that hardly works any more diverges by.
  static constexpr double kLeastFirst = 2.5;
  // Measurements from so far below the limit on are near enough.
  static constexpr double kNearEnough = 0.95;

  // `limit` > 0, in nats per token.
  explicit DivergenceSearch(double limit) : limit_(limit) {}

  // At some rate, divergences > 0. Predictions come first.
  void predicted(double bits, double divergence) { predictions_.push_back({bits, divergence}); }
  void measured(double bits, double divergence) { trials_.push_back({bits, divergence}); }

  // The rate to predict for next; none once a prediction is within a few per cent, or after three.
  std::optional<double> next_prediction() const;
  // The rate to measure next; none once a measurement is near enough or no other rate can be tried.
  std::optional<double> next_trial() const;

  struct Point {
    double bits = 0, divergence = 0;
  };
  // The trial at the lowest rate within the limit; without one, that of the least divergence. Precondition: a trial.
  Point best() const;
  bool within_limit(const Point& point) const { return point.divergence <= limit_; }

 private:
  double aim() const;
  double slope() const;

  double limit_;
  std::vector<Point> predictions_, trials_;
};

}  // namespace nwc
