#include "zeroshot/task_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "zeroshot/json_lines.h"

namespace nwc {
namespace {

Error bad_key(const char* key, const std::string& what) {
  return Error(ErrorCode::kCorrupt, fmt::format("key '{}' {}", key, what));
}

Result<std::string> text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return bad_key(key, "is missing");
  if (!found->is_string()) return bad_key(key, "is no string");
  return found->get<std::string>();
}

Result<std::vector<std::string>> texts_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return bad_key(key, "is missing");
  if (!found->is_array()) return bad_key(key, "is no list of strings");
  std::vector<std::string> texts;
  for (const Json& text : *found) {
    if (!text.is_string()) return bad_key(key, "is no list of strings");
    texts.push_back(text.get<std::string>());
  }
  if (texts.empty()) return bad_key(key, "has no choices");
  return texts;
}

Result<std::vector<TaskChoice>> choices_of(const Json& object) {
  std::vector<TaskChoice> choices;
  if (object.contains("context_options")) {
    NWC_ASSIGN_OR_RETURN(const std::vector<std::string> contexts, texts_of(object, "context_options"));
    NWC_ASSIGN_OR_RETURN(const std::string continuation, text_of(object, "continuation"));
    if (continuation.empty()) return bad_key("continuation", "is empty");
    for (const std::string& context : contexts) {
      if (context.empty()) return bad_key("context_options", fmt::format("[{}] is empty", choices.size()));
      choices.push_back({context, " " + continuation, code_points(context)});
    }
    return choices;
  }
  NWC_ASSIGN_OR_RETURN(const std::string context, text_of(object, "context"));
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> texts, texts_of(object, "choices"));
  for (const std::string& text : texts) {
    if (text.empty()) return bad_key("choices", fmt::format("[{}] is empty", choices.size()));
    choices.push_back({context, " " + text, code_points(text)});
  }
  return choices;
}

Result<TaskItem> item_of(const Json& object, size_t line) {
  TaskItem item{.line = line};
  NWC_ASSIGN_OR_RETURN(item.choices, choices_of(object));
  const auto label = object.find("label");
  if (label == object.end()) return bad_key("label", "is missing");
  const std::string range = fmt::format("one of 0 to {}", item.choices.size() - 1);
  if (!label->is_number_integer()) return bad_key("label", "is no integer; it must be " + range);
  // A negative number is far out of range as an unsigned one.
  item.label = label->is_number_unsigned() ? label->get<uint64_t>() : static_cast<uint64_t>(label->get<int64_t>());
  if (item.label >= item.choices.size()) return bad_key("label", fmt::format("is {}, not {}", label->dump(), range));
  return item;
}

}  // namespace

int64_t code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Result<Task> read_task_file(const std::filesystem::path& path, int64_t limit) {
  Task task{.name = path.stem().string(), .file = path};
  NWC_RETURN_IF_ERROR(for_each_json_line(path, [&](size_t line, const Json& object) -> Result<bool> {
    if (object.contains("task")) {
      NWC_ASSIGN_OR_RETURN(const std::string name, text_of(object, "task"));
      if (!task.items.empty() && name != task.name) {
        return bad_key("task",
                       fmt::format("is '{}' where the lines before are of '{}': one task a file", name, task.name));
      }
      task.name = name;
    }
    NWC_ASSIGN_OR_RETURN(TaskItem item, item_of(object, line));
    task.items.push_back(std::move(item));
    return limit == 0 || std::ssize(task.items) < limit;
  }));
  if (task.items.empty()) {
    return Error(ErrorCode::kInvalidArgument, "has no items")
        .in_file(path.string())
        .remedy("write lines like {\"context\": \"...\", \"choices\": [\"...\", \"...\"], \"label\": 0}");
  }
  return task;
}

Result<std::vector<Task>> read_task_files(std::span<const std::filesystem::path> paths, int64_t limit) {
  std::vector<Task> tasks;
  for (const std::filesystem::path& path : paths) {
    NWC_ASSIGN_OR_RETURN(Task task, read_task_file(path, limit));
    const auto same = std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) { return t.name == task.name; });
    if (same != tasks.end()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("is of the task '{}', as {} is", task.name, same->file.string()))
          .in_file(path.string())
          .remedy("give one file for each task");
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace nwc
