// Every item of tests/data/zeroshot beside what lm-evaluation-harness gives for it.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "support/temp_dir.h"
#include "zeroshot/run_tasks.h"

namespace nwc {
namespace {

const std::filesystem::path kDemo = NWC_SOURCE_DIR "/models/demo";
const std::filesystem::path kData = NWC_SOURCE_DIR "/tests/data/zeroshot";

TEST(GoldenTest, LogLikelihoodsAndChoicesAreLmEvaluationHarness) {
  const Result<std::string> text = read_text_file(kData / "expected.json", 1 << 20);
  ASSERT_TRUE(text);
  const Result<Json> expected = parse_json(*text);
  ASSERT_TRUE(expected);
  const Result<CausalLm> model = CausalLm::open(kDemo, {});
  const Result<Tokenizer> tokenizer = Tokenizer::open(kDemo / "tokenizer.json");
  ASSERT_TRUE(model && tokenizer);
  const Result<PrefixToken> prefix = prefix_token_of(kDemo, *tokenizer);
  ASSERT_TRUE(prefix) << prefix.error().to_string();

  std::vector<Task> tasks;
  for (const char* name : {"harbour", "pronouns"}) {
    Result<Task> task = read_task_file(kData / (std::string(name) + ".jsonl"), 0);
    ASSERT_TRUE(task) << task.error().to_string();
    EXPECT_EQ(task->name, name);
    tasks.push_back(*std::move(task));
  }
  const Result<TaskTokens> tokens = tokenise_tasks(tasks, *tokenizer, *prefix, model->spec().max_positions, {});
  ASSERT_TRUE(tokens) << tokens.error().to_string();
  const auto scores = run_tasks(*model, tasks, *tokens, {});
  ASSERT_TRUE(scores) << scores.error().to_string();
  for (size_t t = 0; t < tasks.size(); ++t) {
    const Json& golden = (*expected)[tasks[t].name];
    ASSERT_EQ(golden.size(), tasks[t].items.size());
    for (size_t i = 0; i < golden.size(); ++i) {
      const ItemScore& score = (*scores)[t][i];
      const std::string where = tasks[t].name + " line " + std::to_string(tasks[t].items[i].line);
      ASSERT_EQ(score.log_likelihoods.size(), golden[i]["log_likelihoods"].size()) << where;
      for (size_t c = 0; c < score.log_likelihoods.size(); ++c)
        EXPECT_NEAR(score.log_likelihoods[c], golden[i]["log_likelihoods"][c].get<double>(), 1e-3) << where;
      EXPECT_EQ(score.choice, golden[i]["choice"].get<size_t>()) << where;
      EXPECT_EQ(score.choice_norm, golden[i]["choice_norm"].get<size_t>()) << where;
    }
  }
}

TEST(RunTasksTest, ItemsLongerThanTheContextLoseTheirBeginning) {
  const Result<CausalLm> model = CausalLm::open(kDemo, {});
  const Result<Tokenizer> tokenizer = Tokenizer::open(kDemo / "tokenizer.json");
  ASSERT_TRUE(model && tokenizer);
  const testing::TempDir dir;
  std::vector<Task> tasks;
  for (const std::string name : {"whole", "short"}) {
    const std::string context = (name == "whole" ? "A very long way home that nobody reads. " : "") +
                                std::string("The boat came into the harbour and");
    const std::filesystem::path file =
        dir.add(name + ".jsonl", R"({"context": ")" + context + R"(", "choices": ["sank", "stayed"], "label": 1})");
    tasks.push_back(*read_task_file(file, 0));
  }
  const Result<TaskTokens> all = tokenise_tasks(tasks, *tokenizer, {}, 2048, {});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->truncated, (std::vector<size_t>{0, 0}));
  const auto shorter = static_cast<int64_t>(all->items[1][0].tokens.size());
  const Result<TaskTokens> cut = tokenise_tasks(tasks, *tokenizer, {}, shorter - 1, {});
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->truncated, (std::vector<size_t>{1, 0}));
  EXPECT_EQ(cut->items[0][0].tokens.size(), static_cast<size_t>(shorter));
  EXPECT_EQ(std::vector<int32_t>(cut->items[0][0].tokens.end() - 4, cut->items[0][0].tokens.end()),
            std::vector<int32_t>(all->items[0][0].tokens.end() - 4, all->items[0][0].tokens.end()));
  const Result<TaskTokens> none = tokenise_tasks(tasks, *tokenizer, {}, 0, {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().to_string().find("whole.jsonl: line 1: the choice has "), std::string::npos)
      << none.error().to_string();
}

}  // namespace
}  // namespace nwc
