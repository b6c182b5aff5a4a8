#include "compress/rate/divergence_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace nwc {
namespace {

using Curve = std::function<double(double)>;

struct Found {
  DivergenceSearch::Point best;
  int predictions = 0, trials = 0;
};

Found search(double limit, const Curve& predicted, const Curve& measured) {
  DivergenceSearch search(limit);
  Found found;
  for (auto bits = search.next_prediction(); bits; bits = search.next_prediction(), ++found.predictions)
    search.predicted(*bits, predicted(*bits));
  for (auto bits = search.next_trial(); bits; bits = search.next_trial(), ++found.trials)
    search.measured(*bits, measured(*bits));
  found.best = search.best();
  return found;
}

// Measured on a model of 28 M parameters, smoothed: the slope changes from 1.5 to 1.4 nats per bit.
double real_curve(double bits) { return std::exp(-2.6 - 1.5 * (bits - 3) + 0.04 * (bits - 3) * (bits - 3)); }

TEST(DivergenceSearch, EndsJustBelowTheLimit) {
  for (const double limit : {0.4, 0.2, 0.05, 0.02, 0.004}) {
    for (const double bias : {0.5, 0.8, 1.0, 1.3, 2.0}) {
      const Found found = search(
          limit, [&](double b) { return bias * real_curve(b); }, real_curve);
      EXPECT_LE(found.best.divergence, limit) << limit << " " << bias;
      EXPECT_GE(found.best.divergence, 0.94 * limit) << limit << " " << bias;
      EXPECT_EQ(found.best.divergence, real_curve(found.best.bits));
      EXPECT_LE(found.predictions, 3);
      EXPECT_LE(found.trials, 3);
    }
  }
}

TEST(DivergenceSearch, AGoodPredictionTakesOneMeasurement) {
  EXPECT_EQ(search(0.05, real_curve, real_curve).trials, 1);
}

TEST(DivergenceSearch, StopsAtTheEndsOfTheRates) {
  const Found fine = search(1e-9, real_curve, real_curve);
  EXPECT_EQ(fine.best.bits, DivergenceSearch::kMostBits);
  EXPECT_GT(fine.best.divergence, 1e-9) << "out of reach, and the search says how near it came";
  EXPECT_EQ(fine.trials, 1);
  const Found coarse = search(1e3, real_curve, real_curve);
  EXPECT_EQ(coarse.best.bits, DivergenceSearch::kLeastBits);
}

TEST(DivergenceSearch, TakesTheSmallestWithinTheLimit) {
  DivergenceSearch search(0.1);
  search.measured(3.0, 0.12);
  search.measured(3.4, 0.07);
  search.measured(3.2, 0.09);
  EXPECT_EQ(search.best().bits, 3.2);
  EXPECT_FALSE(search.next_trial());
  DivergenceSearch none(0.01);
  none.measured(3.0, 0.12);
  none.measured(3.4, 0.07);
  EXPECT_EQ(none.best().bits, 3.4);
}

}  // namespace
}  // namespace nwc
