// Multiple-choice tasks in files of JSON lines, as prompts that are ready to be scored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

struct TaskChoice {
  std::string context;
  std::string continuation;  // scored after the context
  int64_t characters = 0;    // by which acc_norm divides, as lm-evaluation-harness does it; see read_task_file()
};

struct TaskItem {
  size_t line = 0;  // of the file, from 1
  std::vector<TaskChoice> choices;
  size_t label = 0;  // the right one
};

struct Task {
  std::string name;
  std::filesystem::path file;
  std::vector<TaskItem> items;  // at least one
};

// Reads the first `limit` items (0: all). A line is an object with
//   "context", "choices", "label": each choice is scored behind the context and a space; `characters` are those of the
//     choice (Unicode code points, without the space). "label" counts from 0.
//   "context_options", "continuation", "label": the continuation is scored behind each of these contexts and a space,
//     as WinoGrande is; `characters` are those of the context. These win where a line has both.
//   "task": the name, the same in all lines; by default the file's name without its ending.
// Other keys are ignored. Errors name file, line and key: kCorrupt for a line that is none of these, a label that is no
// choice, no choices, an empty choice or continuation; kNotFound and kIo; kInvalidArgument for a file without items.
Result<Task> read_task_file(const std::filesystem::path& path, int64_t limit);

// Several files. Errors: also kInvalidArgument for a second file of the same task.
Result<std::vector<Task>> read_task_files(std::span<const std::filesystem::path> paths, int64_t limit);

// Unicode code points of valid UTF-8.
int64_t code_points(std::string_view text);

}  // namespace nwc
