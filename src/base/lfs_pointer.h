// Git LFS keeps large files elsewhere and leaves a small text in their place, which a clone without LFS then has.
#pragma once

#include <string_view>

#include "nwcodec/result.h"

namespace nwc {

inline bool is_lfs_pointer(std::string_view beginning) {
  return beginning.starts_with("version https://git-lfs.github.com/spec/");
}

inline Error lfs_pointer_error() {
  return Error(ErrorCode::kCorrupt, "is a Git LFS pointer, not the file itself")
      .remedy("fetch the file: git lfs pull, in the clone");
}

}  // namespace nwc
