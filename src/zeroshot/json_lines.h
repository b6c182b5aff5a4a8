// Files of JSON objects, one a line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "base/json.h"
#include "nwcodec/result.h"

namespace nwc {

// Calls visit(line number from 1, object) for each line that is not empty, until it returns false. Errors: of reading;
// kCorrupt naming file, line and byte for what is not a JSON object; those of `visit`, with the file and the line.
Status for_each_json_line(const std::filesystem::path& path,
                          const std::function<Result<bool>(size_t line, const Json& object)>& visit);

// An error in a line of a file.
Error error_in_line(const std::filesystem::path& path, size_t line, const Error& error);

}  // namespace nwc
