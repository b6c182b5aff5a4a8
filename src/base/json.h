// Strict JSON parsing for every file that comes from outside: UTF-8, no duplicate keys, bounded depth and number of
// values, no exceptions.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "nwcodec/limits.h"
#include "nwcodec/result.h"

namespace nwc {

// Object keys keep the order of the file, so that what we rewrite (config.json) keeps its shape.
using Json = nlohmann::ordered_json;

// What is not stored; smaller in tests.
struct JsonLimits {
  unsigned depth = limits::kMaxJsonDepth;
  size_t elements = limits::kMaxJsonElements;  // values of every kind, at every depth
};

// Errors: kCorrupt with the byte offset for bad syntax, bad UTF-8 or a duplicate key; kLimit for deeper nesting
// and for more values than allowed, both found before they are stored.
Result<Json> parse_json(std::string_view text, const JsonLimits& allowed = {});

}  // namespace nwc
