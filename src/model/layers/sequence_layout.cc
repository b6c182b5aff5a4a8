#include "model/layers/sequence_layout.h"

#include <algorithm>

#include "libtorch/tensors.h"

namespace nwc {
namespace {

std::unique_ptr<const at::Tensor> indices(const std::vector<int64_t>& values, const at::Tensor& like) {
  return std::make_unique<const at::Tensor>(torch::tensor(values, torch::kInt64).to(like.device()));
}

}  // namespace

SequenceLayout::SequenceLayout(std::span<const std::vector<int64_t>> sequences, int64_t rows, const at::Tensor& like)
    : sequences_(static_cast<int64_t>(sequences.size())) {
  for (const std::vector<int64_t>& sequence : sequences) longest_ = std::max(longest_, std::ssize(sequence));
  std::vector<int64_t> row_of_place, place_of_row(static_cast<size_t>(rows), 0);
  row_of_place.reserve(static_cast<size_t>(sequences_ * longest_));
  for (const std::vector<int64_t>& sequence : sequences) {
    for (int64_t position = 0; position < longest_; ++position) {
      const bool within = position < std::ssize(sequence);
      const int64_t row = within ? sequence[static_cast<size_t>(position)] : sequence.back();
      if (within) place_of_row[static_cast<size_t>(row)] = std::ssize(row_of_place);
      row_of_place.push_back(row);
    }
  }
  row_of_place_ = indices(row_of_place, like);
  place_of_row_ = indices(place_of_row, like);
}

SequenceLayout::~SequenceLayout() = default;

at::Tensor SequenceLayout::spread(const at::Tensor& x) const {
  return x.squeeze(0).index_select(0, *row_of_place_).unflatten(0, {sequences_, longest_});
}

at::Tensor SequenceLayout::collect(const at::Tensor& y) const {
  return y.flatten(0, 1).index_select(0, *place_of_row_).unsqueeze(0);
}

}  // namespace nwc
