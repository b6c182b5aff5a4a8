#include "compress/selection_list.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "checkpoint/checksums.h"
#include "compress/compress_plan.h"
#include "compress/compress_warnings.h"
#include "compress/pattern_warnings.h"
#include "compress/weight_check.h"
#include "weights/not_compressed.h"
#include "weights/tensor_name.h"

namespace nwc {
namespace {

// Precondition: the line's verdict is kCompressed.
Status judge_values(const TensorView& tensor, bool keep_nonfinite, int threads, ListedTensor& line) {
  const Result<WeightCheck> check = check_weights(tensor, line.order.transposed, threads);
  if (!check && check.error().code() != ErrorCode::kNonFinite) return Error(check.error());
  if (!check) {
    line.verdict = keep_nonfinite ? Verdict::kNonFinite : Verdict::kRefused;
    line.why = check.error().message() + (keep_nonfinite ? "" : "; without --keep-nonfinite it ends the compression");
  } else if (!check->obstacle.empty()) {
    line.verdict = Verdict::kGarbage;
    line.why = check->obstacle;
  }
  return {};
}

}  // namespace

Result<SelectionList> list_selection(const std::filesystem::path& model, const SelectionOptions& options,
                                     bool keep_nonfinite, int threads, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::open(model));
  NWC_RETURN_IF_ERROR(check_not_compressed(checkpoint));
  NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(model));
  NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(options, kind));
  SelectionList list;
  list.warnings = checkpoint.notes();
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> of_selection, selection_warnings(checkpoint, selection));
  list.warnings.insert(list.warnings.end(), of_selection.begin(), of_selection.end());
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> idle, pattern_warnings(checkpoint, options));
  list.warnings.insert(list.warnings.end(), idle.begin(), idle.end());
  uint64_t read = 0, total = 0;
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) total += tensor.bytes.size();
  }
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    for (const TensorView& tensor : checkpoint.tensors(shard)) {
      NWC_RETURN_IF_ERROR(progress.check_stop());
      progress.at(read, total, "checking weights");
      read += tensor.bytes.size();
      if (tensor.name == kChecksumTensorName) continue;
      Result<Verdict> judged = selection.judge(tensor);
      if (!judged) return std::move(judged).error().in_file(shard.path().string());
      const Verdict verdict = *judged;
      ListedTensor line{
          tensor.name, tensor.dtype, tensor.shape, 1, verdict, explanation_of(verdict, tensor),
      };
      for (const uint64_t side : tensor.shape) line.elements *= side;
      if (verdict == Verdict::kCompressed) {
        line.order = selection.storage_order(tensor);
        if (Status judged_values = judge_values(tensor, keep_nonfinite, threads, line); !judged_values)
          return std::move(judged_values).error().in_file(shard.path().string());
        shard.release(tensor);
      }
      list.tensors.push_back(std::move(line));
    }
  }
  const auto place = [](const ListedTensor& t) {
    const TensorName name = TensorName::parse(t.name);
    return std::tuple(!name.block, name.stack, name.block.value_or(0), std::string_view(t.name));
  };
  std::sort(list.tensors.begin(), list.tensors.end(),
            [&](const ListedTensor& a, const ListedTensor& b) { return place(a) < place(b); });
  return list;
}

}  // namespace nwc
