// Strict JSON parsing for every file that comes from outside: UTF-8, no duplicate keys, bounded depth and number of
// values, no exceptions.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "nwcodec/limits.h"
#include "nwcodec/result.h"

namespace nwc {

// Object keys keep the order of the file, so that what we rewrite (config.json) keeps its shape.
using Json = nlohmann::ordered_json;

// Python's json module writes floats that are not finite as the words NaN, Infinity and -Infinity, which JSON does not
// have: `kPython` takes them for those floats. For files that Python libraries write (config.json).
enum class JsonDialect : uint8_t { kStrict, kPython };

// What is not stored; smaller in tests.
struct JsonLimits {
  unsigned depth = limits::kMaxJsonDepth;
  size_t elements = limits::kMaxJsonElements;  // values of every kind, at every depth
};

// Errors: kCorrupt with the byte offset for bad syntax, bad UTF-8 or a duplicate key; kLimit for deeper nesting and for
// more values than allowed, both found before they are stored.
Result<Json> parse_json(std::string_view text, JsonDialect dialect = JsonDialect::kStrict,
                        const JsonLimits& allowed = {});

}  // namespace nwc
