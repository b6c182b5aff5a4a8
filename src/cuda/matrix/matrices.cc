#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/decode/decoder.h"
#include "cuda/matrix/class_ranges.h"
#include "cuda/matrix/kernels.h"
#include "cuda/matrix/matrix_state.h"
#include "cuda/matrix/pair_code.h"
#include "cuda/support/blob.h"
#include "decode/tensor_decoder.h"

namespace nwc {

using namespace cuda;

namespace {

// Of weights in binary32, on their way.
constexpr uint64_t kWeightsAtOnce = uint64_t{48} << 20;

Error unsupported(const std::string& why) { return Error(ErrorCode::kUnsupported, why).remedy("decode it instead"); }

}  // namespace

// Tables of one range of classes, to decode and to encode with.
struct RangeTables {
  DeviceMemory decode, encode;
};

struct CudaMatrices::State {
  const CudaDecoder* decoder;
  const CudaDecoder::State* codec;
  std::mutex mutex;
  std::map<int, RangeTables> tables;  // by the first class

  Result<const RangeTables*> tables_from(int first);
};

Result<const RangeTables*> CudaMatrices::State::tables_from(int first) {
  const std::lock_guard lock(mutex);
  if (const auto found = tables.find(first); found != tables.end()) return &found->second;
  const TableSet& set = codec->codec->parts().tables.set;
  const int classes = static_cast<int>(set.size() / 2);
  const auto decode = std::make_unique<PairTables>(), encode = std::make_unique<PairTables>();
  for (int c = 0; c < static_cast<int>(kPairClasses); ++c) {
    Magnitudes magnitudes[2];
    for (int odd = 0; odd < 2; ++odd) {
      // What ClassRanges makes one: half of the sums are the middle one.
      const auto table = [&](int quarter) {
        return &set[static_cast<size_t>(std::clamp(first + 2 * c + quarter, 0, classes - 1) + odd * classes)];
      };
      const FrequencyTable* const these[] = {table(-1), table(0), table(0), table(1)};
      magnitudes[odd] = magnitudes_of(these, odd != 0);
    }
    for (int odd = 0; odd < 2; ++odd) {
      for (int other = 0; other < 2; ++other) {
        const PairCode code = PairCode::of(magnitudes[odd], magnitudes[other], odd != 0, other != 0);
        std::copy(code.decode.begin(), code.decode.end(), decode->of[odd][c][other]);
        std::copy(code.encode.begin(), code.encode.end(), encode->of[odd][c][other]);
      }
    }
  }
  RangeTables made;
  for (const auto& [to, from] : {std::pair(&made.decode, decode.get()), std::pair(&made.encode, encode.get())}) {
    NWC_ASSIGN_OR_RETURN(*to, DeviceMemory::of(sizeof(PairTables)));
    NWC_RETURN_IF_ERROR(checked(cudaMemcpy(to->data(), from, sizeof(PairTables), cudaMemcpyHostToDevice), "copying"));
  }
  return &tables.emplace(first, std::move(made)).first->second;
}

CudaMatrices::CudaMatrices(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudaMatrices::CudaMatrices(CudaMatrices&&) noexcept = default;
CudaMatrices& CudaMatrices::operator=(CudaMatrices&&) noexcept = default;
CudaMatrices::~CudaMatrices() = default;

Result<CudaMatrices> CudaMatrices::of(const CudaDecoder& decoder) {
  const CudaDecoder::State& codec = decoder.state();
  const std::optional<Trellis>& trellis = codec.codec->parts().trellis;
  if (!trellis || !has_pair_paths(*trellis) || codec.codec->parts().chunk_length() != kCellRows)
    return unsupported("products are for codecs with our trellis of 8 states");
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(codec.device), "choosing a device"));
  NWC_RETURN_IF_ERROR(checked(prepare_unpacking(codec.shared_room), "preparing the decoder"));
  NWC_RETURN_IF_ERROR(checked(prepare_product(codec.shared_room), "preparing the product"));
  return CudaMatrices(std::unique_ptr<State>(new State{&decoder, &codec, {}, {}}));
}

namespace {

// Columns of each window by class, as pairs.
std::vector<uint16_t> pairs_of(std::span<const uint32_t> classes) {
  std::vector<uint16_t> pairs;
  for (size_t window = 0; window < classes.size(); window += kWindow) {
    std::vector<uint16_t> order(kWindow);
    for (uint16_t i = 0; i < kWindow; ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](uint16_t a, uint16_t b) { return classes[window + a] < classes[window + b]; });
    for (size_t i = 0; i < kWindow; i += 2) pairs.push_back(static_cast<uint16_t>(order[i] | order[i + 1] << 8));
  }
  return pairs;
}

// The shortest runs of which every warp of the device gets one at most.
uint32_t cells_of_run(uint32_t stripes, uint32_t windows, uint32_t warps, uint32_t multiprocessors) {
  for (uint32_t cells = 1;; ++cells) {
    const uint64_t runs = uint64_t{stripes} * ((windows + cells - 1) / cells);
    if (cells >= windows || (runs + multiprocessors - 1) / multiprocessors <= warps) return cells;
  }
}

// What the layout says of rows and columns, to the device.
Status upload_lines(CudaMatrix::State& state, const TensorDecoder& stream, const ClassRanges& ranges) {
  PairedMatrix& m = state.matrix;
  const ScaleClasses& classes = *stream.contexts().scale_classes();
  std::vector<uint32_t> columns, rows(size_t{m.stripes} * kCellRows, 0);
  for (const int16_t c : classes.of_columns()) columns.push_back(ranges.of_column(c) << 12);
  for (uint32_t r = 0; r < m.rows; ++r) rows[r] = ranges.of_row(classes.of_rows()[r]) << 12;
  std::vector<float> factors(rows.size(), 0.0f);
  std::fill_n(factors.begin(), m.rows, 1.0f);
  std::copy(stream.row_factors().begin(), stream.row_factors().end(), factors.begin());
  Blob blob;
  const size_t pairs_at = blob.append(pairs_of(columns)), columns_at = blob.append(columns),
               rows_at = blob.append(rows), scales_at = blob.append(stream.scales()), factors_at = blob.append(factors);
  NWC_ASSIGN_OR_RETURN(state.lines, DeviceMemory::of(blob.size()));
  std::vector<std::byte> bytes(blob.size());
  blob.write(state.lines.data(), bytes.data());
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(state.lines.data(), bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "copying"));
  const auto at = [&]<class T>(size_t offset) { return reinterpret_cast<const T*>(state.lines.bytes() + offset); };
  m.pairs = at.operator()<uint16_t>(pairs_at);
  m.column_classes = at.operator()<uint32_t>(columns_at);
  m.row_classes = at.operator()<uint32_t>(rows_at);
  m.scales = at.operator()<float>(scales_at);
  m.factors = at.operator()<float>(factors_at);
  // A column's scale is small where its inputs are large: numbers times scales differ by far less than scales do. With
  // the median at a quarter, binary16 has room for numbers up to 2^17 above it, and for what is 2^-12 of one below.
  std::vector<float> scales;
  std::copy_if(stream.scales().begin(), stream.scales().end(), std::back_inserter(scales),
               [](float s) { return s > 0; });
  int exponent = 0;
  if (!scales.empty()) {
    const auto middle = scales.begin() + static_cast<ptrdiff_t>(scales.size() / 2);
    std::nth_element(scales.begin(), middle, scales.end());
    exponent = std::clamp(std::ilogb(*middle), -100, 100) + 2;
  }
  m.scale_up = std::ldexp(1.0f, -exponent), m.scale_down = std::ldexp(1.0f, exponent);
  return {};
}

// The tensor's weights in binary32, some stripes at a time.
class WeightsByStripes {
 public:
  WeightsByStripes(const CudaDecoder& decoder, const CudaTensor& tensor, const PairedMatrix& matrix)
      : decoder_(decoder), tensor_(tensor), matrix_(matrix) {
    const uint64_t stripe = uint64_t{kCellRows} * matrix.columns;
    step_ = static_cast<uint32_t>(std::clamp<uint64_t>(kWeightsAtOnce / stripe, 1, matrix.stripes));
  }
  // Calls work(weights, first stripe, end) for all; waits for each.
  template <class Work>
  Status for_each(bool verify, CUstream_st* stream, const Work& work) {
    NWC_RETURN_IF_ERROR(at_least(weights_, uint64_t{step_} * kCellRows * matrix_.columns * sizeof(float)));
    for (uint32_t first = 0; first < matrix_.stripes; first += step_) {
      const uint32_t end = std::min(matrix_.stripes, first + step_);
      CudaTensor part = tensor_;
      part.out = weights_.data();
      part.dtype = DType::kF32;
      part.slice = {0, uint64_t{first} * kCellRows, std::min<uint64_t>(matrix_.rows, uint64_t{end} * kCellRows), 0,
                    matrix_.columns};
      NWC_ASSIGN_OR_RETURN(const CudaBatch batch, CudaBatch::plan(decoder_, {&part, 1}, {.verify = verify}));
      NWC_RETURN_IF_ERROR(at_least(scratch_, batch.scratch_bytes()));
      NWC_RETURN_IF_ERROR(at_least(statuses_, batch.tile_count() * sizeof(uint32_t)));
      NWC_RETURN_IF_ERROR(at_least(staging_, batch.staging_bytes()));
      NWC_RETURN_IF_ERROR(batch.upload(scratch_.data(), staging_.data(), stream));
      NWC_RETURN_IF_ERROR(batch.decode(scratch_.data(), static_cast<uint32_t*>(statuses_.data()), stream));
      NWC_RETURN_IF_ERROR(work(static_cast<const float*>(weights_.data()), first, end));
      std::vector<uint32_t> statuses(batch.tile_count());
      NWC_RETURN_IF_ERROR(checked(cudaMemcpyAsync(statuses.data(), statuses_.data(), statuses.size() * sizeof(uint32_t),
                                                  cudaMemcpyDeviceToHost, stream),
                                  "reading statuses"));
      NWC_RETURN_IF_ERROR(checked(cudaStreamSynchronize(stream), "decoding"));
      NWC_RETURN_IF_ERROR(batch.check(statuses));
    }
    return {};
  }

 private:
  const CudaDecoder& decoder_;
  const CudaTensor& tensor_;
  const PairedMatrix& matrix_;
  uint32_t step_;
  DeviceMemory weights_, scratch_, statuses_;
  PinnedMemory staging_;
};

// Where the cells' words and corrections stand, from how many they have.
struct CellTotals {
  uint64_t quads = 0, corrections = 0;
  uint32_t most_words = 0;
};
CellTotals place_cells(std::vector<MatrixCell>& cells) {
  CellTotals totals;
  for (MatrixCell& cell : cells) {
    cell.first_quad = static_cast<uint32_t>(totals.quads);
    cell.first_correction = static_cast<uint32_t>(totals.corrections);
    totals.quads += (cell.words + 3u) / 4;
    totals.corrections += cell.corrections;
    totals.most_words = std::max<uint32_t>(totals.most_words, cell.words);
  }
  return totals;
}

// Cells and their runs, dealt out to blocks as evenly as can be; false where none has the room.
bool deal_runs(PairedMatrix& m, uint32_t most_words, const CudaDecoder::State& device) {
  m.cell_words = (most_words + 3) / 4 * 4;
  const uint32_t most_runs = most_block_runs(m, device.shared_room),
                 multiprocessors = static_cast<uint32_t>(device.multiprocessors);
  if (most_runs == 0) return false;
  m.run_cells = cells_of_run(m.stripes, m.windows, most_runs, multiprocessors);
  m.runs_of_stripe = (m.windows + m.run_cells - 1) / m.run_cells;
  m.block_runs = std::min(most_runs, (m.stripes * m.runs_of_stripe + multiprocessors - 1) / multiprocessors);
  return true;
}

// How many words and corrections each cell has, in state.cells; false where weights are no integers times scales.
Result<bool> count(CudaMatrix::State& state, WeightsByStripes& weights, const PairTables* encode, bool verify,
                   CUstream_st* stream) {
  PairedMatrix& m = state.matrix;
  NWC_ASSIGN_OR_RETURN(state.cells, DeviceMemory::of(size_t{m.stripes} * m.windows * sizeof(MatrixCell)));
  auto* const cells = static_cast<MatrixCell*>(state.cells.data());
  m.cells = cells;
  NWC_ASSIGN_OR_RETURN(const DeviceMemory failed, DeviceMemory::of(sizeof(uint32_t)));
  auto* const failed_word = static_cast<uint32_t*>(failed.data());
  NWC_RETURN_IF_ERROR(checked(cudaMemsetAsync(failed_word, 0, sizeof(uint32_t), stream), "clearing"));
  NWC_RETURN_IF_ERROR(weights.for_each(verify, stream, [&](const float* values, uint32_t first, uint32_t end) {
    return checked(count_cells(m, encode, values, first, end, cells, failed_word, stream), "counting bits");
  }));
  uint32_t failure = 0;
  NWC_RETURN_IF_ERROR(
      checked(cudaMemcpy(&failure, failed_word, sizeof failure, cudaMemcpyDeviceToHost), "reading what became of it"));
  return failure == 0;
}

// Room for what cells point to, and where in it each of them has its share.
Result<CellTotals> make_room(CudaMatrix::State& state) {
  std::vector<MatrixCell> cells(state.cells.size() / sizeof(MatrixCell));
  NWC_RETURN_IF_ERROR(checked(cudaMemcpy(cells.data(), state.cells.data(), state.cells.size(), cudaMemcpyDeviceToHost),
                              "reading cells"));
  const CellTotals totals = place_cells(cells);
  if (totals.quads > UINT32_MAX || totals.corrections > UINT32_MAX) return unsupported("the matrix is too large");
  NWC_RETURN_IF_ERROR(checked(cudaMemcpy(state.cells.data(), cells.data(), state.cells.size(), cudaMemcpyHostToDevice),
                              "copying cells"));
  NWC_ASSIGN_OR_RETURN(state.words, DeviceMemory::of(totals.quads * 16));
  NWC_ASSIGN_OR_RETURN(state.corrections, DeviceMemory::of(totals.corrections * sizeof(Correction)));
  state.matrix.words = static_cast<const uint32_t*>(state.words.data());
  state.matrix.corrections = static_cast<const Correction*>(state.corrections.data());
  return totals;
}

Status write(CudaMatrix::State& state, WeightsByStripes& weights, const PairTables* encode, CUstream_st* stream) {
  auto* const words = static_cast<uint32_t*>(state.words.data());
  NWC_RETURN_IF_ERROR(checked(cudaMemsetAsync(words, 0, state.words.size(), stream), "clearing"));
  return weights.for_each(false, stream, [&](const float* values, uint32_t first, uint32_t end) {
    return checked(write_cells(state.matrix, encode, values, first, end, static_cast<MatrixCell*>(state.cells.data()),
                               words, static_cast<Correction*>(state.corrections.data()), stream),
                   "writing words");
  });
}

}  // namespace

Result<CudaMatrix> CudaMatrices::make(const CudaTensor& tensor, bool verify, CUstream_st* stream) const {
  const CudaDecoder::State& device = *state_->codec;
  const auto named = [&](Error error) { return std::move(error).in_tensor(tensor.name); };
  NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder,
                       TensorDecoder::open(tensor.name, tensor.stream, tensor.scales, tensor.levels, *device.codec));
  const StreamHeader& h = decoder.header();
  if (h.matrices != 1 || h.transposed || h.columns % kWindow != 0 || h.elements() == 0 ||
      h.rows > kMostStripes * kCellRows || h.columns > UINT32_MAX / kCellRows)
    return named(unsupported("products take one matrix of a multiple of 64 columns that is not transposed"));
  NWC_RETURN_IF_ERROR(checked(cudaSetDevice(device.device), "choosing a device"));
  auto made = std::make_unique<CudaMatrix::State>();
  PairedMatrix& m = made->matrix;
  m.rows = static_cast<uint32_t>(h.rows);
  m.columns = static_cast<uint32_t>(h.columns);
  m.stripes = static_cast<uint32_t>((h.rows + kCellRows - 1) / kCellRows);
  m.windows = m.columns / kWindow;
  const ScaleClasses& classes = *decoder.contexts().scale_classes();
  const ClassRanges ranges = choose_ranges(classes.of_columns(), classes.of_rows());
  NWC_ASSIGN_OR_RETURN(const RangeTables* const tables, state_->tables_from(ranges.first()));
  m.tables = static_cast<const PairTables*>(tables->decode.data());
  NWC_RETURN_IF_ERROR(upload_lines(*made, decoder, ranges));

  const auto* const encode = static_cast<const PairTables*>(tables->encode.data());
  WeightsByStripes weights(*state_->decoder, tensor, m);
  NWC_ASSIGN_OR_RETURN(const bool integers, count(*made, weights, encode, verify, stream));
  if (!integers) return named(unsupported("some weights are no integers times scales"));
  Result<CellTotals> totals = make_room(*made);
  if (!totals) return named(std::move(totals).error());
  if (!deal_runs(m, totals->most_words, device)) return named(unsupported("the device has too little shared memory"));
  NWC_RETURN_IF_ERROR(write(*made, weights, encode, stream));
  return CudaMatrix(std::move(made));
}

}  // namespace nwc
