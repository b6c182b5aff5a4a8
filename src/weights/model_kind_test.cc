#include "weights/model_kind.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

TEST(ModelKind, OfACheckpoint) {
  const testing::TempDir dir;
  EXPECT_EQ(ModelKind::read(dir.path())->type, "");
  dir.add("config.json", R"({"model_type": "gpt_oss", "hidden_size": 64, "limit": [0.0, Infinity]})");
  const Result<ModelKind> kind = ModelKind::read(dir.path());
  ASSERT_TRUE(kind) << kind.error().to_string();
  EXPECT_EQ(kind->type, "gpt_oss");
  EXPECT_EQ(kind->hidden_size, 64u);
  dir.add("config.json", R"({"model_type": 3})");
  EXPECT_EQ(ModelKind::read(dir.path())->type, "");
  for (const char* broken : {"", "[]", "{"}) {
    dir.add("config.json", broken);
    EXPECT_EQ(ModelKind::read(dir.path()).error().code(), ErrorCode::kCorrupt);
  }
}

TEST(ModelKind, KnowsItsParts) {
  const testing::TempDir dir;
  dir.add("config.json", R"({"model_type": "internvl", "text_config": {"model_type": "gpt_oss", "hidden_size": 32},
                             "vision_config": {"model_type": "vit", "hidden_size": 48}})");
  const Result<ModelKind> kind = ModelKind::read(dir.path());
  ASSERT_TRUE(kind) << kind.error().to_string();
  EXPECT_EQ(kind->hidden_size, 32u);
  for (const char* type : {"internvl", "gpt_oss", "vit"}) EXPECT_TRUE(kind->has(type)) << type;
  EXPECT_FALSE(kind->has("gpt2"));
}

}  // namespace
}  // namespace nwc
