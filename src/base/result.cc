#include "nwcodec/result.h"

namespace nwc {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kIo: return "I/O error";
    case ErrorCode::kCorrupt: return "corrupt data";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kLimit: return "limit exceeded";
    case ErrorCode::kMismatch: return "mismatch";
    case ErrorCode::kExists: return "already exists";
    case ErrorCode::kNonFinite: return "non-finite weight";
    case ErrorCode::kInterrupted: return "interrupted";
    case ErrorCode::kInternal: return "internal error";
    case ErrorCode::kBusy: return "busy";
  }
  return "unknown error";
}

std::string Error::to_string() const {
  std::string text;
  if (!file_.empty()) text += file_ + ": ";
  if (!tensor_.empty()) text += "tensor '" + tensor_ + "': ";
  if (offset_) text += "byte " + std::to_string(*offset_) + ": ";
  text += message_;
  if (!remedy_.empty()) text += "; " + remedy_;
  return text;
}

}  // namespace nwc
