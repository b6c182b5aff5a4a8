// `nwcodec compress --list`: what compression would do to each tensor, and why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

struct ListedTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  Verdict verdict;
  std::string why;          // the verdict in words
  StorageOrder order = {};  // of a compressed one
};

struct SelectionList {
  std::vector<ListedTensor> tensors;  // by block, then by name; those outside blocks last
  std::vector<std::string> warnings;  // compress/compress_warnings.h
};

// Reads headers only. Errors: those of opening a checkpoint and of a selection; kInvalidArgument for a checkpoint that
// is compressed already.
Result<SelectionList> list_selection(const std::filesystem::path& model, const SelectionOptions& options);

}  // namespace nwc
