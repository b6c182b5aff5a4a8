#include "learn/dataset.h"

#include <algorithm>
#include <cmath>

#include "nwcodec/checkpoint.h"
#include "weights/normalisation.h"
#include "weights/not_compressed.h"
#include "weights/weight_matrix.h"

namespace nwc {
namespace {

constexpr uint64_t kValidationShare = 64;

struct Source {
  const SafetensorsFile* file;
  const TensorView* tensor;
  bool transposed;
  uint64_t chunks;  // whole ones
  size_t model;
};

// The largest number of chunks per tensor such that all tensors together give at most max_chunks.
uint64_t share_per_tensor(const std::vector<Source>& sources, uint64_t max_chunks) {
  std::vector<uint64_t> sizes;
  for (const Source& source : sources) sizes.push_back(source.chunks);
  std::sort(sizes.begin(), sizes.end());
  uint64_t left = max_chunks;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const uint64_t share = left / (sizes.size() - i);
    if (sizes[i] > share) return share;
    left -= sizes[i];
  }
  return sizes.back();
}

void add_chunks(const WeightMatrix& weights, const WeightScales& scales, uint64_t chunks, uint64_t wanted,
                ChunkSet& set) {
  const uint64_t length = static_cast<uint64_t>(set.chunk), stripes = weights.rows / length;
  for (uint64_t i = 0; i < wanted; ++i) {
    const uint64_t number = i * chunks / wanted;  // < 2^63 for any real tensor
    const uint64_t matrix = number / (stripes * weights.columns), rest = number % (stripes * weights.columns);
    const uint64_t stripe = rest / weights.columns, column = rest % weights.columns;
    const float scale = scales.columns[matrix * weights.columns + column];
    if (scale == 0) continue;
    std::vector<float>& target = i % kValidationShare == kValidationShare / 2 ? set.validation : set.training;
    for (uint64_t j = 0; j < length; ++j) {
      const uint64_t row = stripe * length + j;
      const float factor = scales.row_factor(matrix * weights.rows + row);
      target.push_back(factor > 0 ? weights.at(weights.index_of(matrix, row, column)) / scale / factor : 0.0f);
    }
  }
}

// Of all weights of each model.
Result<std::vector<double>> root_mean_squares(const std::vector<Source>& sources, size_t models, int threads) {
  std::vector<double> squares(models), weights(models);
  for (const Source& source : sources) {
    NWC_ASSIGN_OR_RETURN(const WeightMatrix matrix, WeightMatrix::load(*source.tensor, source.transposed, threads));
    Result<double> sum = sum_of_squares(matrix, threads);
    if (!sum) return std::move(sum).error().in_file(source.file->path().string());
    squares[source.model] += *sum;
    weights[source.model] += static_cast<double>(matrix.elements());
    source.file->release(*source.tensor);
  }
  for (size_t m = 0; m < models; ++m) squares[m] = std::sqrt(squares[m] / weights[m]);
  return squares;
}

}  // namespace

Result<ChunkSet> load_chunks(const std::vector<std::filesystem::path>& models,
                             const SelectionOptions& selection_options, Normalisation normalisation, int64_t chunk,
                             uint64_t max_chunks, int threads, const Progress& progress) {
  std::vector<Checkpoint> checkpoints;
  std::vector<Source> sources;
  ChunkSet set;
  set.chunk = chunk;
  checkpoints.reserve(models.size());
  for (const std::filesystem::path& model : models) {
    NWC_ASSIGN_OR_RETURN(Checkpoint opened, Checkpoint::open(model));
    NWC_RETURN_IF_ERROR(check_not_compressed(opened));
    NWC_ASSIGN_OR_RETURN(const ModelKind kind, ModelKind::read(model));
    NWC_ASSIGN_OR_RETURN(const Selection selection, Selection::make(selection_options, kind));
    const Checkpoint& checkpoint = checkpoints.emplace_back(std::move(opened));
    const size_t before = sources.size();
    for (const SafetensorsFile& shard : checkpoint.shards()) {
      for (const TensorView& tensor : checkpoint.tensors(shard)) {
        NWC_ASSIGN_OR_RETURN(const bool wanted, selection.wants(tensor));
        if (!wanted) continue;
        const WeightMatrix weights = WeightMatrix::of(tensor, selection.stored_transposed(tensor), {});
        const uint64_t chunks = weights.matrices * weights.columns * (weights.rows / static_cast<uint64_t>(chunk));
        if (chunks == 0) continue;
        sources.push_back({&shard, &tensor, weights.transposed, chunks, checkpoints.size() - 1});
        set.tensors.push_back(std::filesystem::absolute(model).lexically_normal().filename().string() + ": " +
                              tensor.name);
      }
    }
    if (sources.size() == before) {
      return Error(ErrorCode::kInvalidArgument, "has no linear weights to learn from")
          .in_file(model.string())
          .remedy("name tensors with --include");
    }
  }
  std::vector<double> model_rms(models.size());
  if (normalisation == Normalisation::kModel) {
    NWC_ASSIGN_OR_RETURN(model_rms, root_mean_squares(sources, models.size(), threads));
  }
  const uint64_t share = share_per_tensor(sources, max_chunks);
  for (size_t i = 0; i < sources.size(); ++i) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(i, sources.size(), "reading weights");
    const Source& source = sources[i];
    NWC_ASSIGN_OR_RETURN(const WeightMatrix weights, WeightMatrix::load(*source.tensor, source.transposed, threads));
    Result<WeightScales> scales = weight_scales(weights, {normalisation, 1.0, model_rms[source.model]}, {}, threads);
    if (!scales) return std::move(scales).error().in_file(source.file->path().string());
    add_chunks(weights, *scales, source.chunks, std::min(share, source.chunks), set);
    source.file->release(*source.tensor);
  }
  if (set.training.empty() || set.validation.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the models have too few weights to learn from: " + std::to_string(set.training_chunks()) + " chunks");
  }
  return set;
}

}  // namespace nwc
