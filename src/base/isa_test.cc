#include "nwcodec/isa.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <string>

namespace nwc {
namespace {

class IsaTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* text = std::getenv("NWCODEC_ISA")) before_ = text;
  }
  void TearDown() override { setenv("NWCODEC_ISA", before_.c_str(), 1); }

  Result<Isa> chosen(const std::string& name) {
    setenv("NWCODEC_ISA", name.c_str(), 1);
    return isa_from_environment();
  }

 private:
  std::string before_;
};

TEST_F(IsaTest, EveryBuildHasTheScalarBodyAndThoseOfItsArchitecture) {
  ASSERT_EQ(compiled_isas().front(), Isa::kScalar);
#if defined(__x86_64__)
  ASSERT_EQ(compiled_isas().size(), 3u);
  EXPECT_EQ(compiled_isas()[1], Isa::kAvx2);
  EXPECT_EQ(compiled_isas()[2], Isa::kAvx512);
#elif defined(__aarch64__)
  ASSERT_EQ(compiled_isas().size(), 2u);
  EXPECT_EQ(compiled_isas()[1], Isa::kNeon);
  EXPECT_EQ(available_isas().back(), Isa::kNeon);
#endif
}

TEST_F(IsaTest, TheProcessorHasWhatHighwayFinds) {
  const auto has = [](Isa isa) { return std::count(available_isas().begin(), available_isas().end(), isa) != 0; };
#if defined(__x86_64__)
  const int64_t targets = static_cast<int64_t>(hwy::SupportedTargets());
  EXPECT_EQ(has(Isa::kAvx2), (targets & HWY_AVX2) != 0);
  EXPECT_EQ(has(Isa::kAvx512), (targets & HWY_AVX3) != 0);
#endif
  EXPECT_TRUE(has(Isa::kScalar));
}

TEST_F(IsaTest, TheEnvironmentChoosesAmongThoseThatTheMachineHas) {
  for (const Isa isa : available_isas()) {
    const Result<Isa> result = chosen(std::string(name_of(isa)));
    ASSERT_TRUE(result.ok()) << result.error().to_string();
    EXPECT_EQ(*result, isa);
  }
  const Result<Isa> fastest = chosen("");
  ASSERT_TRUE(fastest.ok());
  EXPECT_EQ(*fastest, available_isas().back());
}

TEST_F(IsaTest, AnotherArchitecturesNameIsKnownButUnsupported) {
  for (const char* name : {"neon", "avx512"}) {
    const bool here =
        std::any_of(available_isas().begin(), available_isas().end(), [&](Isa isa) { return name_of(isa) == name; });
    const Result<Isa> result = chosen(name);
    EXPECT_EQ(result.ok(), here) << name;
    if (!here) {
      EXPECT_EQ(result.error().code(), ErrorCode::kUnsupported) << name;
    }
  }
  EXPECT_EQ(chosen("NEON").error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace nwc
