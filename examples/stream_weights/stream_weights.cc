// Streams the weights of a checkpoint, plain or compressed, through one buffer: one tensor after another, in bands of
// rows, so that memory stays small however large the model is.
// usage: stream_weights CHECKPOINT [BUFFER_BYTES]
//
// Where this program adds squares, a real one copies a band to where it wants it: a device, a socket, an engine's own
// layout. What the operating system counts as memory also holds pages of the mapped files, which it takes back freely.
#include <nwcodec/weights.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace {

// Rows [row, row + band.size() / columns) of a matrix, in binary32.
using Visit = std::function<void(uint64_t row, std::span<const float> band)>;

// Bands of as many rows as the buffer holds, at least one: it grows where a single row is longer. Compressed tensors
// are stored in tiles of 16 rows; bands that end at multiples of 16 decode no tile twice.
nwc::Status stream_tensor(const nwc::Weights& weights, const nwc::WeightInfo& info, std::vector<float>& buffer,
                          const Visit& visit) {
  constexpr uint64_t kTileRows = 16;
  const uint64_t rows = info.rows(), columns = info.columns();
  uint64_t band = std::max<uint64_t>(1, buffer.size() / columns);
  if (band > kTileRows) band -= band % kTileRows;
  if (buffer.size() < band * columns) buffer.resize(band * columns);
  for (uint64_t matrix = 0; matrix < info.matrices(); ++matrix) {
    for (uint64_t row = 0; row < rows; row += band) {
      const uint64_t count = std::min(band, rows - row);
      const std::span<float> values = std::span(buffer).first(count * columns);
      // On one thread; a last argument of 0 decodes on all cores.
      const nwc::Status status = weights.read(info.name, {.matrix = matrix, .row_begin = row, .row_end = row + count},
                                              nwc::DType::kF32, std::as_writable_bytes(values));
      if (!status) return status;
      visit(row, values);
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: stream_weights CHECKPOINT [BUFFER_BYTES]\n");
    return 2;
  }
  const uint64_t bytes = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : uint64_t{16} << 20;
  const nwc::Result<nwc::Weights> weights = nwc::Weights::open(argv[1]);
  if (!weights) {
    std::fprintf(stderr, "%s\n", weights.error().to_string().c_str());
    return 1;
  }
  std::vector<float> buffer(bytes / sizeof(float));
  uint64_t total = 0;
  for (const nwc::WeightInfo& info : weights->list()) {
    if (!nwc::is_weight_dtype(info.dtype) || info.elements() == 0) continue;
    double squares = 0;
    const nwc::Status status = stream_tensor(*weights, info, buffer, [&](uint64_t, std::span<const float> band) {
      for (const float value : band) squares += static_cast<double>(value) * value;
    });
    if (!status) {  // names file, tensor and offset, and what to do
      std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
      return 1;
    }
    std::printf("%-60s %s root mean square %.9g\n", info.name.c_str(), info.compressed ? "compressed" : "plain     ",
                std::sqrt(squares / static_cast<double>(info.elements())));
    total += info.elements();
  }
  std::printf("%llu weights through a buffer of %llu bytes\n", static_cast<unsigned long long>(total),
              static_cast<unsigned long long>(buffer.size() * sizeof(float)));
}
