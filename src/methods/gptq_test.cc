// Against GPTQModel's own quantiser and a float64 transcription of the paper's Algorithm 1 (tests/data/methods), within
// 1 % of the layer's error; and against LDLQ on the same grids, which does the same.
#include "methods/gptq.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "support/method_matrix.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::MethodMatrix;

constexpr uint64_t kRows = 32, kColumns = 256;

// As in tests/data/methods/make_gptq.py.
std::vector<double> numbers(uint64_t seed, size_t count) {
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<double>(seed >> 40) / (1 << 23) - 1);
  }
  return out;
}

struct Problem {
  std::vector<float> weights;
  Dense hessian = Dense::zeros(kColumns, kColumns);
  Problem() {
    const std::vector<double> parts = numbers(1, 4 * kRows * kColumns), sizes = numbers(2, kColumns);
    for (size_t i = 0; i < parts.size(); i += 4)
      weights.push_back(static_cast<float>(parts[i] + parts[i + 1] + parts[i + 2] + parts[i + 3]));
    for (uint64_t i = 0; i < kColumns; ++i) {
      for (uint64_t j = 0; j < kColumns; ++j) {
        hessian.at(i, j) = static_cast<double>(
            static_cast<float>(std::exp2(sizes[i]) * std::exp2(sizes[j]) *
                               std::pow(0.9, std::abs(static_cast<double>(i) - static_cast<double>(j)))));
      }
    }
  }
  double error_of(const std::vector<float>& decoded) const {
    std::vector<float> errors(decoded.size());
    for (size_t i = 0; i < decoded.size(); ++i) errors[i] = decoded[i] - weights[i];
    const std::vector<float> triangle = triangle_of(hessian);
    return weighted_error(errors, kRows, {triangle, kColumns});
  }
};

Json golden() {
  const Result<Json> json = parse_json(testing::read_file(NWC_SOURCE_DIR "/tests/data/methods/gptq.json"));
  return json ? *json : Json();
}

TEST(Gptq, LayerErrorsOfGptqModelAndOfThePaper) {
  const Problem problem;
  const Json expected = golden();
  ASSERT_TRUE(expected.contains("gptq"));
  for (size_t i = 0; i < 3; ++i) ASSERT_EQ(problem.weights[i], expected["first_weights"][i].get<float>());
  size_t by_gptqmodel = 0;
  for (const Json& one : expected["gptq"]) {
    GptqOptions options;
    options.grid = {one["bits"].get<unsigned>(), one["symmetric"].get<int>() == 1};
    options.act_order = one["act_order"].get<int>() == 1;
    options.static_groups = one["static"].get<int>() == 1;
    const Result<QuantisedMatrix> made = gptq(problem.weights, kRows, problem.hessian, options, 2);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    const double error = problem.error_of(made->decoded);
    EXPECT_NEAR(error / one["paper"].get<double>(), 1, 0.01) << one.dump();
    if (!one.contains("gptqmodel")) continue;
    ++by_gptqmodel;
    EXPECT_NEAR(error / one["gptqmodel"].get<double>(), 1, 0.01) << one.dump();
  }
  EXPECT_EQ(by_gptqmodel, 9u);
}

TEST(Gptq, BitsOfGridsAndOfThePermutation) {
  const Problem problem;
  GptqOptions options;
  options.grid.bits = 3;
  const double grids = kRows * kColumns * 3 + kRows * 2 * (16 + 3);
  EXPECT_EQ(gptq(problem.weights, kRows, problem.hessian, options, 1)->bits, grids);
  options.static_groups = false;
  EXPECT_EQ(gptq(problem.weights, kRows, problem.hessian, options, 1)->bits, grids + kColumns * 1)
      << "which of the two groups each column belongs to";
  options.act_order = false;
  options.grid.symmetric = true;
  EXPECT_EQ(gptq(problem.weights, kRows, problem.hessian, options, 1)->bits, kRows * kColumns * 3 + kRows * 2 * 16);
}

TEST(Gptq, WithStaticGroupsItIsLdlqOnTheSameGrids) {
  const MethodMatrix m(48, 96, 0.9, 1);
  const double by_gptq = m.layer_error(m.by("gptq:group=32", 3).decoded),
               by_ldlq = m.layer_error(m.by("round-to-nearest:group=32:feedback=1", 3).decoded);
  EXPECT_NEAR(by_gptq / by_ldlq, 1, 0.005);
}

TEST(Gptq, ThreadsDoNotMatterAndDeadInputsDoNotHurt) {
  Problem problem;
  const GptqOptions options;
  for (uint64_t k = 0; k < kColumns; ++k) problem.hessian.at(7, k) = problem.hessian.at(k, 7) = 0;
  const Result<QuantisedMatrix> one = gptq(problem.weights, kRows, problem.hessian, options, 1),
                                two = gptq(problem.weights, kRows, problem.hessian, options, 2);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->decoded, two->decoded);
  EXPECT_EQ(one->decoded[7], 0);
}

}  // namespace
}  // namespace nwc
