#include "characters/sets.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <span>
#include <string>

#include "characters/tables.h"

namespace nwc::characters {
namespace {

// Calls `visit` with each word of a list with spaces between.
template <class Visit>
void for_each_word(std::string_view words, const Visit& visit) {
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    if (end > 0) visit(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

std::string plain(std::string_view name) {
  std::string result;
  for (const char c : name) {
    if (c != '_') result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

const NamedTable* find_table(std::span<const NamedTable> tables, std::string_view plain_name) {
  for (const NamedTable& table : tables) {
    bool found = false;
    for_each_word(table.names, [&](std::string_view name) { found = found || plain(name) == plain_name; });
    if (found) return &table;
  }
  return nullptr;
}

CodePointSet read(const NamedTable& table);

// "L&" and one letter are unions.
CodePointSet categories(std::string_view short_name) {
  CodePointSet all;
  for (const NamedTable& table : general_categories()) {
    const bool cased = table.names == "Lu" || table.names == "Ll" || table.names == "Lt";
    if (short_name == table.names || (short_name.size() == 1 && table.names.starts_with(short_name)) ||
        (short_name == "L&" && cased)) {
      all = all | read(table);
    }
  }
  return all;
}

CodePointSet read(const NamedTable& table) {
  CodePointSet set = CodePointSet::parse(table.ranges);
  for_each_word(table.categories, [&](std::string_view name) { set = set | categories(name); });
  return set;
}

// Sets are read when they are asked for, once.
const CodePointSet* once(const std::string& key, const NamedTable* table) {
  static std::mutex mutex;
  static std::map<std::string, CodePointSet> sets;
  const std::lock_guard lock(mutex);
  const auto known = sets.find(key);
  if (known != sets.end()) return &known->second;
  CodePointSet set = table != nullptr ? read(*table) : categories(key);
  if (set.empty()) return nullptr;
  return &sets.emplace(key, std::move(set)).first->second;
}

}  // namespace

const CodePointSet* general_category(std::string_view short_name) { return once(std::string(short_name), nullptr); }

const CodePointSet* script(std::string_view plain_name) {
  const NamedTable* table = find_table(scripts(), plain_name);
  if (table == nullptr) table = find_table(more_scripts(), plain_name);
  return table == nullptr ? nullptr : once("script " + std::string(table->names), table);
}

const CodePointSet* binary_property(std::string_view plain_name) {
  const NamedTable* table = find_table(binary_properties(), plain_name);
  return table == nullptr ? nullptr : once("property " + std::string(table->names), table);
}

const CodePointSet& reference_set(ReferenceSet set) {
  static const std::vector<CodePointSet> sets = [] {
    std::vector<CodePointSet> all;
    for (const NamedTable& table : reference_sets()) all.push_back(read(table));
    return all;
  }();
  return sets[static_cast<size_t>(set)];
}

char32_t lower_case(char32_t c) {
  const std::span<const CaseRun> runs = lower_case_runs();
  const auto behind =
      std::upper_bound(runs.begin(), runs.end(), c, [](char32_t v, const CaseRun& run) { return v < run.first; });
  if (behind == runs.begin()) return c;
  const CaseRun& run = *(behind - 1);
  if (c > run.last || (c - run.first) % run.stride != 0) return c;
  return static_cast<char32_t>(static_cast<int32_t>(c) + run.distance);
}

}  // namespace nwc::characters
