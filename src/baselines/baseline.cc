#include "baselines/baseline.h"

#include <charconv>

namespace nwc {

// One per file.
BaselineFactory make_round_to_nearest;

namespace {

struct Entry {
  const char* name;
  const char* parameters;
  const char* description;
  BaselineFactory* make;
};

constexpr Entry kBaselines[] = {
    {"round-to-nearest", "bits=4,group=128",
     "asymmetric integer grids of groups of a row (group=0: whole rows); with Hessians, this is GPTQ",
     make_round_to_nearest},
};

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

}  // namespace

Result<BaselineParameters> BaselineParameters::parse(const std::string& text) {
  BaselineParameters parameters;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size()), equals = text.find('=', begin);
    if (equals >= end) return invalid("parameters are KEY=NUMBER, separated by commas, not " + text);
    if (!parameters.values_.emplace(text.substr(begin, equals - begin), text.substr(equals + 1, end - equals - 1))
             .second)
      return invalid("parameter " + text.substr(begin, equals - begin) + " is given twice");
    begin = end + 1;
  }
  return parameters;
}

Result<uint64_t> BaselineParameters::take(const std::string& name, uint64_t otherwise, uint64_t least, uint64_t most) {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  const std::string text = std::move(found->second);
  values_.erase(found);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    return invalid("parameter " + name + " must be a whole number from " + std::to_string(least) + " to " +
                   std::to_string(most) + ", not " + text);
  }
  return value;
}

Status BaselineParameters::check_all_taken() const {
  if (values_.empty()) return {};
  return invalid("has no parameter " + values_.begin()->first);
}

Result<std::unique_ptr<const Baseline>> make_baseline(const std::string& method) {
  const size_t colon = std::min(method.find(':'), method.size());
  const std::string name = method.substr(0, colon);
  for (const Entry& entry : kBaselines) {
    if (name != entry.name) continue;
    const auto with_name = [&](const Error& error) {
      return invalid(name + ": " + error.message())
          .remedy(std::string("for instance ") + name + ":" + entry.parameters);
    };
    Result<BaselineParameters> parameters =
        BaselineParameters::parse(colon < method.size() ? method.substr(colon + 1) : std::string());
    if (!parameters) return with_name(parameters.error());
    Result<std::unique_ptr<const Baseline>> made = entry.make(*parameters);
    if (!made) return with_name(made.error());
    if (const Status rest = parameters->check_all_taken(); !rest) return with_name(rest.error());
    return made;
  }
  std::string names;
  for (const Entry& entry : kBaselines) names += (names.empty() ? "" : ", ") + std::string(entry.name);
  return invalid("there is no baseline " + name).remedy("choose one of " + names);
}

std::vector<std::string> describe_baselines() {
  std::vector<std::string> lines;
  for (const Entry& entry : kBaselines)
    lines.push_back(std::string(entry.name) + ":" + entry.parameters + "  " + entry.description);
  return lines;
}

}  // namespace nwc
