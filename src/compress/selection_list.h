// `nwcodec compress --list`: what compression would do to each tensor, and why.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/dtype.h"
#include "nwcodec/progress.h"
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
  StorageOrder order = {};  // of one that is selected
};

struct SelectionList {
  std::vector<ListedTensor> tensors;  // by block, then by name; those outside blocks last
  std::vector<std::string> warnings;  // compress/compress_warnings.h
};

// Reads the weights of tensors that are selected: a few of them may be a reason to leave a tensor alone. With
// `keep_nonfinite` NaN and infinity are such a reason, too, and otherwise a verdict, not an error. Errors: those of
// opening a checkpoint, of a selection and of decoding stored weights; kInterrupted; kInvalidArgument for a checkpoint
// that is compressed already.
Result<SelectionList> list_selection(const std::filesystem::path& model, const SelectionOptions& options,
                                     bool keep_nonfinite, int threads, const Progress& progress);

}  // namespace nwc
