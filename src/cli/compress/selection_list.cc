#include "cli/compress/selection_list.h"

#include <fmt/format.h>

#include "cli/terminal.h"

namespace nwc::cli {

std::string selection_table(const SelectionList& list) {
  std::string text;
  size_t compressed = 0, refused = 0;
  uint64_t compressed_weights = 0, other = 0;
  std::vector<std::vector<std::string>> rows{{"tensor", "dtype", "shape"}};
  std::vector<std::string> why{"what becomes of it"};
  for (const ListedTensor& t : list.tensors) {
    const bool taken = t.verdict == Verdict::kCompressed;
    compressed += taken;
    refused += t.verdict == Verdict::kRefused;
    if (t.verdict != Verdict::kRefused) (taken ? compressed_weights : other) += t.elements;
    rows.push_back({printable(t.name), std::string(name_of(t.dtype)), shape_text(t.shape)});
    const char* const fate = taken ? "" : t.verdict == Verdict::kRefused ? "refused: " : "as it is: ";
    why.push_back(fate + t.why + (taken && t.order.transposed ? ", stored [.., inputs, outputs]" : ""));
  }
  // The last column is prose, aligned to the left.
  const std::string table = format_table(rows);
  for (size_t i = 0, begin = 0; i < why.size(); ++i) {
    const size_t end = table.find('\n', begin);
    const std::string line = table.substr(begin, end - begin);
    text += fmt::format("{:<{}}  {}\n", line, table.find('\n'), why[i]);
    begin = end + 1;
  }
  text += fmt::format("\ncompressed  {} tensors, {} weights\nas they are {} tensors, {} parameters\n", compressed,
                      compressed_weights, list.tensors.size() - compressed - refused, other);
  return refused == 0 ? text : text + fmt::format("refused     {} tensors\n", refused);
}

Json selection_json(const SelectionList& list) {
  Json tensors = Json::array();
  for (const ListedTensor& t : list.tensors) {
    tensors.push_back({{"name", t.name},
                       {"dtype", name_of(t.dtype)},
                       {"shape", t.shape},
                       {"verdict", name_of(t.verdict)},
                       {"why", t.why},
                       {"transposed", t.order.transposed},
                       {"transposed_known", t.order.known}});
  }
  return tensors;
}

Status print_selection(const SelectionList& list, const GlobalOptions& global) {
  ProgressLine line(global.quiet);
  for (const std::string& warning : list.warnings) line.note("warning: " + warning);
  if (global.json) {
    print_json({{"selection", selection_json(list)}, {"warnings", list.warnings}});
  } else {
    fmt::print("{}", selection_table(list));
  }
  return {};
}

}  // namespace nwc::cli
