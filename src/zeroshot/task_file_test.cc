#include "zeroshot/task_file.h"

#include <gtest/gtest.h>

#include <string>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::TempDir;

TEST(TaskFileTest, ReadsItems) {
  const TempDir dir;
  const auto file = dir.add("café.jsonl",
                            "{\"context\": \"Q\", \"choices\": [\"ja\", \"für 猫\"], \"label\": 1, \"other\": {}}\r\n"
                            "\n"
                            "{\"context_options\": [\"the é\", \"the box\"], \"continuation\": \"fits.\", "
                            "\"label\": 0, \"choices\": [\"ignored\"]}");
  const Result<Task> task = read_task_file(file, 0);
  ASSERT_TRUE(task) << task.error().to_string();
  EXPECT_EQ(task->name, "café");
  ASSERT_EQ(task->items.size(), 2u);
  const TaskItem& first = task->items[0];
  EXPECT_EQ(first.line, 1u);
  EXPECT_EQ(first.label, 1u);
  ASSERT_EQ(first.choices.size(), 2u);
  EXPECT_EQ(first.choices[1].context, "Q");
  EXPECT_EQ(first.choices[1].continuation, " für 猫");
  EXPECT_EQ(first.choices[1].characters, 5);  // code points, without the space that is put before it
  const TaskItem& second = task->items[1];
  EXPECT_EQ(second.line, 3u);
  ASSERT_EQ(second.choices.size(), 2u);
  EXPECT_EQ(second.choices[0].context, "the é");
  EXPECT_EQ(second.choices[0].continuation, " fits.");
  EXPECT_EQ(second.choices[0].characters, 5);
  EXPECT_EQ(second.choices[1].characters, 7);
  EXPECT_EQ(read_task_file(file, 1)->items.size(), 1u);
}

TEST(TaskFileTest, TheLimitSparesWhatFollows) {
  const TempDir dir;
  const auto file =
      dir.add("t.jsonl", "{\"context\": \"Q\", \"choices\": [\"a\"], \"label\": 0, \"task\": \"name\"}\nnonsense\n");
  EXPECT_EQ(read_task_file(file, 1)->name, "name");
  EXPECT_FALSE(read_task_file(file, 2));
}

TEST(TaskFileTest, NamesFileLineAndKeyOfWhatIsWrong) {
  const TempDir dir;
  const auto error = [&](const std::string& line) {
    const auto file = dir.add("t.jsonl", "{\"context\": \"Q\", \"choices\": [\"a\", \"b\"], \"label\": 0}\n" + line);
    const Result<Task> task = read_task_file(file, 0);
    if (task) return std::string("no error");
    EXPECT_EQ(task.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(task.error().file(), file.string());
    return task.error().message();
  };
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", "b"], "label": 2})"),
            "line 2: key 'label' is 2, not one of 0 to 1");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", "b"], "label": -1})"),
            "line 2: key 'label' is -1, not one of 0 to 1");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", "b"], "label": "1"})"),
            "line 2: key 'label' is no integer; it must be one of 0 to 1");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", "b"]})"), "line 2: key 'label' is missing");
  EXPECT_EQ(error(R"({"choices": ["a", "b"], "label": 0})"), "line 2: key 'context' is missing");
  EXPECT_EQ(error(R"({"context": 3, "choices": ["a", "b"], "label": 0})"), "line 2: key 'context' is no string");
  EXPECT_EQ(error(R"({"context": "Q", "label": 0})"), "line 2: key 'choices' is missing");
  EXPECT_EQ(error(R"({"context": "Q", "choices": [], "label": 0})"), "line 2: key 'choices' has no choices");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", 1], "label": 0})"),
            "line 2: key 'choices' is no list of strings");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a", ""], "label": 0})"), "line 2: key 'choices' [1] is empty");
  EXPECT_EQ(error(R"({"context_options": ["a", ""], "continuation": "b", "label": 0})"),
            "line 2: key 'context_options' [1] is empty");
  EXPECT_EQ(error(R"({"context_options": ["a", "b"], "continuation": "", "label": 0})"),
            "line 2: key 'continuation' is empty");
  EXPECT_EQ(error(R"({"context": "Q", "choices": ["a"], "label": 0, "task": "other"} )"),
            "line 2: key 'task' is 'other' where the lines before are of 't': one task a file");
  EXPECT_EQ(error("[1]"), "line 2: is no JSON object");
  EXPECT_EQ(error(R"({"context": "Q)").substr(0, 14), "line 2, byte 1");
}

TEST(TaskFileTest, RefusesFilesWithoutItems) {
  const TempDir dir;
  const Result<Task> task = read_task_file(dir.add("t.jsonl", " \n\n"), 0);
  ASSERT_FALSE(task);
  EXPECT_EQ(task.error().message(), "has no items");
  EXPECT_EQ(read_task_file(dir / "absent.jsonl", 0).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc
