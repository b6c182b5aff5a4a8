// Any bytes as JSON, or as Python writes it, under small limits: refused with a message, or within the limits and, as
// JSON, the same when written again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/json.h"

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

struct Size {
  unsigned depth = 0;
  size_t elements = 1;
};

Size size_of(const nwc::Json& value) {
  Size size;
  if (!value.is_structured()) return size;
  size.depth = 1;
  for (const nwc::Json& member : value) {
    const Size inner = size_of(member);
    size.depth = std::max(size.depth, inner.depth + 1);
    size.elements += inner.elements;
  }
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const nwc::JsonLimits allowed{.depth = data[0] % 70u, .elements = data[1]};
  const bool python = data[0] >= 128;
  const nwc::JsonDialect dialect = python ? nwc::JsonDialect::kPython : nwc::JsonDialect::kStrict;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const nwc::Result<nwc::Json> value = nwc::parse_json(text, dialect, allowed);
  if (value) {
    const Size found = size_of(*value);
    require(found.depth <= allowed.depth && found.elements <= allowed.elements);
    if (python) return 0;
    require(nwc::Json::accept(text));
    const nwc::Result<nwc::Json> again = nwc::parse_json(value->dump(), dialect, allowed);
    require(again.ok() && *again == *value);
    return 0;
  }
  // The parser counts the end of a text as one byte.
  require(!value.error().message().empty() && value.error().offset().value_or(0) <= text.size() + 1);
  if (value.error().code() != nwc::ErrorCode::kLimit) return 0;
  // Without these limits it may be JSON or not, but nothing smaller was refused.
  if (const nwc::Result<nwc::Json> whole = nwc::parse_json(text, dialect, {.depth = 1000, .elements = size + 1});
      whole) {
    const Size found = size_of(*whole);
    require(found.depth > allowed.depth || found.elements > allowed.elements);
  }
  return 0;
}
