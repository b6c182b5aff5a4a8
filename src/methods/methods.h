// All methods by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "methods/method.h"

namespace nwc {

// "NAME" or "NAME:KEY=VALUE:...". Errors: kInvalidArgument, with the names and parameters there are; kUnsupported for
// the rate.
Result<std::unique_ptr<const Method>> make_method(const std::string& method, double bits);

// A line for each: name, parameters, what it is.
std::vector<std::string> describe_methods();

}  // namespace nwc
