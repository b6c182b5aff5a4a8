// A set of Unicode code points.
//
// Thread safety: const members may be called from several threads at once.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace nwc::characters {

class CodePointSet {
 public:
  struct Range {
    char32_t begin;
    char32_t end;  // one past the last
    bool operator==(const Range&) const = default;
  };

  CodePointSet() = default;
  // In any order; ranges may overlap.
  explicit CodePointSet(std::vector<Range> ranges);
  // Distances and lengths to the base 36, as NamedTable has them. Precondition: what generate.py wrote.
  static CodePointSet parse(std::string_view text);

  bool contains(char32_t c) const;
  // Ascending, apart from each other, none empty.
  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }

  CodePointSet operator|(const CodePointSet& other) const;
  CodePointSet operator-(const CodePointSet& other) const;
  bool operator==(const CodePointSet&) const = default;

 private:
  std::vector<Range> ranges_;
};

}  // namespace nwc::characters
