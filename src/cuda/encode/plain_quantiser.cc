#include "cuda/encode/matrix_quantiser.h"
#include "cuda/encode/patches.h"

namespace nwc::cuda {
namespace {

uint64_t whole_blocks(uint64_t lines) { return (lines + kPlainBlock - 1) / kPlainBlock * kPlainBlock; }

Status put_costs(const ColumnRounding& rounding, Buffers& buffers, PlainTask& plain) {
  std::vector<float> all;
  for (const SymbolCosts::Table& costs : rounding.costs().tables()) {
    all.insert(all.end(), costs.of.begin(), costs.of.end());
    all.push_back(costs.beyond);
  }
  NWC_ASSIGN_OR_RETURN(plain.cost_values, put(buffers.costs, std::span<const float>(all)));
  plain.cost_count = static_cast<uint32_t>(all.size());
  const float* next = plain.cost_values;
  std::vector<CostTable> tables;
  for (const SymbolCosts::Table& costs : rounding.costs().tables()) {
    tables.push_back({next, costs.first, static_cast<uint32_t>(costs.of.size())});
    next += costs.of.size() + 1;
  }
  NWC_ASSIGN_OR_RETURN(plain.costs, put(buffers.cost_tables, std::span<const CostTable>(tables)));
  return {};
}

}  // namespace

Result<std::vector<double>> quantise_plain(QuantiserTask& task, const LineClasses& classes, uint32_t chunk,
                                           const ColumnRounding& rounding, const FeedbackFactor* rows,
                                           Buffers& buffers) {
  PlainTask plain{};
  plain.classes = classes;
  plain.chunk = chunk;
  if (const Trellis* const trellis = rounding.trellis()) {
    if (chunk != kPlainBlock) return Error(ErrorCode::kInternal, "a path is not a block of rows");
    NWC_ASSIGN_OR_RETURN(plain.trellis, put(buffers.trellis, trellis->table()));
    plain.states = trellis->states;
  }
  NWC_RETURN_IF_ERROR(put_costs(rounding, buffers, plain));
  const uint64_t work_rows = whole_blocks(uint64_t{task.slots} * chunk), n = task.matrix.columns;
  if (task.order != nullptr) {
    NWC_RETURN_IF_ERROR(at_least(buffers.errors, work_rows * n * sizeof(float)));
    task.errors = as<float>(buffers.errors);
  }
  if (rows != nullptr) {
    const auto* const there = std::get_if<DeviceCoefficients>(&rows->coefficients);
    if (there == nullptr) return Error(ErrorCode::kInternal, "factors of rows are not on the encoder's device");
    plain.row_coefficients = there->coefficients.as<const float>();
    plain.row_stride = there->stride;
    plain.left_stride = whole_blocks(n);
    NWC_RETURN_IF_ERROR(at_least(buffers.left, work_rows * plain.left_stride * sizeof(float)));
    plain.left = as<float>(buffers.left);
  }
  const uint32_t items = plain_items(task, chunk);
  NWC_RETURN_IF_ERROR(at_least(buffers.sums, items * kSums * sizeof(double)));
  task.sums = as<double>(buffers.sums);
  NWC_RETURN_IF_ERROR(checked(quantise_plain_codec(task, plain, nullptr), "quantising"));
  return read_sums(buffers, items);
}

}  // namespace nwc::cuda
