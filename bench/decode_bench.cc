// Decoding of whole tensors on one core, per instruction set: 4096 x 4096 weights at about 4 bits to BF16, of a shipped
// codec, and without a transform, whose steps and spreads differ from line to line, weight by weight and along a
// trellis.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include "codec/encode/encoder.h"
#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "decode/tensor_decoder.h"
#include "guide/sensitivity.h"
#include "tensor/tensor_encoder.h"

namespace nwc {
namespace {

constexpr uint64_t kSide = 4096;
enum Kind { kShipped, kPlain, kTrellis };

struct Data {
  EncoderCodec codec;
  std::unique_ptr<Codec> ready;
  EncodedTensor tensor;
};

template <class T>
T need(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "decode_bench: %s\n", result.error().to_string().c_str());
  std::exit(1);
}

Data make(Kind kind) {
  std::mt19937 random(1);
  std::normal_distribution<float> gaussian;
  Data data;
  TensorGuide guide;
  EncodeOptions options;
  std::vector<float> deviations(kSide, 0.02f);
  if (kind == kShipped) {
    data.codec = need(read_encoder_codec(NWC_SOURCE_DIR "/codecs/fast-300.safetensors"));
    options.normalisation.gain = 1.17;
  } else {
    const double octaves = octaves_for(4, kind == kTrellis);
    data.codec = kind == kTrellis ? trellis_codec(make_trellis(8), kCentreContext, octaves)
                                  : plain_codec(kCentreContext, octaves);
    // Columns and rows whose spreads over their steps are half an octave about the mean.
    LineScales lines{std::vector<int16_t>(kSide), std::vector<int16_t>(kSide), {}, {}};
    for (uint64_t i = 0; i < kSide; ++i) {
      const int of_column = static_cast<int>(std::lround(2 * gaussian(random)));
      lines.column_spreads.push_back(static_cast<int16_t>(kCentreContext + of_column));
      lines.row_spreads.push_back(static_cast<int16_t>(std::lround(2 * gaussian(random))));
      deviations[i] = std::exp2(static_cast<float>(of_column) / 4);
    }
    guide.lines = std::move(lines);
    options.tile_chunks = kind == kTrellis ? kTrellisTileChunks : 2048;
    options.normalisation = {.kind = Normalisation::kTensor, .gain = std::exp2(octaves)};
    options.rate_weight = best_rate_weight(kind == kTrellis ? 8 : 0);
    options.own_tables = false;
  }
  std::vector<float> values(kSide * kSide);
  for (uint64_t i = 0; i < kSide; ++i) {
    const float of_row = guide.lines ? std::exp2(static_cast<float>(guide.lines->row_spreads[i]) / 4) : 1;
    for (uint64_t j = 0; j < kSide; ++j) values[i * kSide + j] = of_row * deviations[j] * gaussian(random);
  }
  const WeightMatrix weights{"w", DType::kF32, 2, false, 1, kSide, kSide, std::as_bytes(std::span(values))};
  data.tensor = need(encode_tensor(weights, guide, Encoder(data.codec, 1), options, 0));
  data.ready = std::make_unique<Codec>(data.codec.decoder, 1);
  return data;
}

void bench(benchmark::State& state, Kind kind) {
  static Data all[3] = {};
  if (all[kind].ready == nullptr) all[kind] = make(kind);
  const Data& data = all[kind];
  const TensorDecoder decoder =
      need(TensorDecoder::open("w", data.tensor.stream, data.tensor.scales, data.tensor.levels, *data.ready));
  std::vector<std::byte> out(kSide * kSide * 2);
  for (auto _ : state) {
    if (!decoder.decode(DType::kBF16, out, 1)) state.SkipWithError("decoding");
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSide * kSide));
  state.counters["bits"] = 8.0 * static_cast<double>(data.tensor.stream.size()) / (kSide * kSide);
}

}  // namespace
}  // namespace nwc

// NWCODEC_ISA chooses the instruction set.
int main(int argc, char** argv) {
  benchmark::RegisterBenchmark("shipped", nwc::bench, nwc::kShipped);
  benchmark::RegisterBenchmark("plain", nwc::bench, nwc::kPlain);
  benchmark::RegisterBenchmark("trellis", nwc::bench, nwc::kTrellis);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
