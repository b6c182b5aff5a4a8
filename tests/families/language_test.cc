// Language models against what transformers generates and what its layers see (tests/data/families).
#include <gtest/gtest.h>

#include "calibrate/calibrate.h"
#include "evaluate/generate.h"
#include "guide/hessian_store.h"
#include "support/fixtures.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::value_of;

std::vector<int32_t> ids_of(const at::Tensor& ids) {
  const at::Tensor flat = ids.flatten().contiguous();
  return std::vector<int32_t>(flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel());
}

class LanguageModel : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path directory() const { return testing::committed_fixture(GetParam()); }
};

// LongRoPE's angles change within the continuation of phi3: both begin anew there.
TEST_P(LanguageModel, GeneratesWhatTransformersGenerates) {
  const testing::Expected expected(directory());
  const std::vector<int32_t> wanted = ids_of(expected["generated"]), ids = ids_of(expected["input_ids"]);
  const CausalLm model = value_of(CausalLm::open(directory(), {.resident = true, .threads = 1}));
  const GenerateResult result = value_of(
      generate(model, std::span(ids).first(20),
               {.max_new_tokens = static_cast<int64_t>(wanted.size()), .stop_ids = std::vector<int32_t>()}, {}));
  EXPECT_EQ(result.tokens, wanted);
}

INSTANTIATE_TEST_SUITE_P(Families, LanguageModel, ::testing::ValuesIn(testing::kCommittedFamilies),
                         [](const auto& info) { return std::string(info.param); });

using SecondMoments = LanguageModel;

// The whole matrix from its lower triangle, row by row.
at::Tensor symmetric(const StoredHessian& stored) {
  const auto n = static_cast<int64_t>(stored.features);
  at::Tensor matrix = torch::zeros({n, n});
  const float* next = stored.triangles.data();
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) matrix[i][j] = matrix[j][i] = *next++;
  }
  return matrix;
}

TEST_P(SecondMoments, AreThoseOfTheInputsInTransformers) {
  const testing::Expected expected(directory());
  const testing::TempDir temporary;
  const CalibrationText text{"input_ids", ids_of(expected["input_ids"])};
  const CalibrateReport report = value_of(calibrate({.model = directory(),
                                                     .output = temporary / "hessians",
                                                     .sequences = 1,
                                                     .length = static_cast<int64_t>(text.ids.size()),
                                                     .threads = 1},
                                                    {&text, 1}, {}));
  EXPECT_EQ(report.tokens, static_cast<int64_t>(text.ids.size()));
  const HessianStore store = value_of(HessianStore::open(temporary / "hessians"));
  const Checkpoint checkpoint = value_of(Checkpoint::open(directory()));
  const SafetensorsFile file = value_of(SafetensorsFile::open(directory() / "expected.safetensors"));
  constexpr std::string_view kPrefix = "moment.";
  size_t compared = 0;
  for (const TensorView& wanted : file.tensors()) {
    if (!wanted.name.starts_with(kPrefix)) continue;
    const std::string weight(wanted.name.substr(kPrefix.size()));
    const Checkpoint::Location found = checkpoint.find(weight);
    ASSERT_NE(found.tensor, nullptr) << weight;
    const StoredHessian stored = value_of(store.find(*found.tensor));
    ASSERT_EQ(stored.tokens, std::vector<int64_t>{static_cast<int64_t>(text.ids.size())}) << weight;
    EXPECT_LT(testing::relative_error(symmetric(stored), expected[std::string(wanted.name)]), 1e-5) << weight;
    ++compared;
  }
  EXPECT_GT(compared, 0u);
}

INSTANTIATE_TEST_SUITE_P(Families, SecondMoments, ::testing::Values("phi3", "glm4", "deepseek_v2", "deepseek_v3"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nwc
