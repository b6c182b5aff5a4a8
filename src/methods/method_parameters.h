// The numbers behind a method's name: "gptq:group=128:damping=0.01".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

// Each is taken once by the method that knows it; check_all_taken() then finds what nobody knows. Not thread-safe.
// Errors of all: kInvalidArgument naming the parameter.
class MethodParameters {
 public:
  // "KEY=VALUE:KEY=VALUE"; may be empty.
  static Result<MethodParameters> parse(const std::string& text);
  // A whole number in [least, most]; `otherwise` if it is not given.
  Result<uint64_t> whole(const std::string& name, uint64_t otherwise, uint64_t least, uint64_t most);
  // "0" or "1".
  Result<bool> flag(const std::string& name, bool otherwise);
  // A number in [least, most].
  Result<double> real(const std::string& name, double otherwise, double least, double most);
  // One of `names`, the first if it is not given.
  Result<std::string> choice(const std::string& name, const std::vector<std::string>& names);
  // Any text without a colon; it must be given.
  Result<std::string> text(const std::string& name);
  Status check_all_taken() const;

 private:
  bool take(const std::string& name, std::string& text);
  std::map<std::string, std::string> values_;
};

}  // namespace nwc
