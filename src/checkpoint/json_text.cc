#include "checkpoint/json_text.h"

#include "base/json.h"

namespace nwc {

Result<std::string> json_quoted(std::string_view text) {
  try {
    return Json(text).dump();
  } catch (const Json::type_error&) {  // the only thing that dump() of a string throws: its bytes are not UTF-8
    return Error(ErrorCode::kInvalidArgument, "a string for a JSON file is not valid UTF-8");
  }
}

}  // namespace nwc
