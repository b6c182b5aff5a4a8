// The CUDA body against the scalar reference: same symbols, raw bits and verdicts. Skips where there is no device.
#include "entropy/rans_decode_cuda.h"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/bytes.h"
#include "encode/tile_encoder.h"
#include "entropy/tile_decoder.h"

namespace nwc {
namespace {

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& host) : size_(host.size()) {
    EXPECT_EQ(cudaMalloc(&data_, std::max<size_t>(1, size_ * sizeof(T))), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }
  T* data() const { return static_cast<T*>(data_); }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  void* data_ = nullptr;
  size_t size_;
};

// Three channels: narrow, wide with raw bits, and one that is nearly always an escape.
TableSet tables() {
  return {1, 3, {{-2, 0, {100, 900, 2000, 900, 195, 1}}, {-64, 5, {1000, 1000, 1000, 1095, 1}}, {0, 0, {1, 4095}}}};
}

struct Case {
  uint32_t chunks, run_groups;
  bool damaged;
};

TEST(RansDecodeCuda, AgreesWithTheReference) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no CUDA device";
  const TableSet set = tables();
  const DecodingTables decoding(set);
  std::vector<uint32_t> slots;
  std::vector<uint8_t> shifts;
  for (unsigned c = 0; c < set.channels; ++c) {
    const DecodingTable& table = decoding.at(0, c);
    slots.insert(slots.end(), table.slots.begin(), table.slots.end());
    shifts.push_back(static_cast<uint8_t>(table.shift));
  }
  const DeviceArray<uint32_t> device_slots(slots);
  const DeviceArray<uint8_t> device_shifts(shifts);
  std::mt19937 random(1);
  for (const Case& one : {Case{1, 1, false}, Case{31, 2, false}, Case{32, 1, false}, Case{33, 64, false}, Case{2048, 64, false},
                          Case{2048, 1, false}, Case{2048, 64, true}}) {
    const size_t stride = (one.chunks + 31) / 32 * 32;
    std::vector<int32_t> values(set.channels * stride);
    for (int32_t& v : values) v = static_cast<int32_t>(random() % 7) - 3;
    const TileShape shape{0, one.chunks, one.run_groups, 16};
    std::vector<std::byte> tile = encode_tile(set, shape, values.data(), stride, {});
    if (one.damaged) tile[tile.size() / 2] ^= std::byte{0x10};

    const uint32_t lanes = std::min(limits::kLanes, one.chunks), word_count = load_le<uint32_t>(tile.data());
    std::vector<uint32_t> states(limits::kLanes, 1u << 16);
    for (uint32_t a = 0; a < lanes; ++a) states[a] = load_le<uint32_t>(tile.data() + 4 + 4 * a);
    std::vector<uint16_t> words(word_count);
    for (uint32_t w = 0; w < word_count; ++w) words[w] = load_le<uint16_t>(tile.data() + 4 + 4 * lanes + 2 * w);

    std::vector<uint32_t> reference_states = states;
    std::vector<uint8_t> symbols(set.channels * stride);
    std::vector<uint16_t> raws(set.channels * stride);
    const RansTile reference{decoding.level(0), set.channels, one.chunks, one.run_groups, reference_states.data(),
                             reinterpret_cast<const std::byte*>(words.data()), word_count, symbols.data(), raws.data(), stride};
    RansOutcome outcome;
    rans_decode_scalar(&reference, 1, &outcome);
    bool whole = !outcome.exhausted && outcome.words_used == word_count;
    for (const uint32_t state : reference_states) whole &= state == 1u << 16;

    const DeviceArray<uint32_t> device_states(states);
    const DeviceArray<uint16_t> device_words(words), device_raws(std::vector<uint16_t>(raws.size()));
    const DeviceArray<uint8_t> device_symbols(std::vector<uint8_t>(symbols.size()));
    const DeviceArray<CudaRansTile> device_tile({CudaRansTile{device_slots.data(), device_shifts.data(), device_states.data(), device_words.data(),
                                                              word_count, one.chunks, device_symbols.data(), device_raws.data()}});
    const DeviceArray<uint32_t> status({99u});
    ASSERT_EQ(rans_decode_cuda(device_tile.data(), 1, set.channels, one.run_groups, stride, status.data(), nullptr), 0);
    ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    EXPECT_EQ(status.host()[0], whole ? kCudaTileDecoded : kCudaTileDamaged);
    if (!whole) continue;
    const std::vector<uint8_t> device_result = device_symbols.host();
    const std::vector<uint16_t> device_raw_result = device_raws.host();
    for (unsigned c = 0; c < set.channels; ++c) {
      for (uint32_t i = 0; i < one.chunks; ++i) {
        ASSERT_EQ(device_result[c * stride + i], symbols[c * stride + i]) << "channel " << c << " chunk " << i;
        if (shifts[c] == 0) continue;
        ASSERT_EQ(device_raw_result[c * stride + i], raws[c * stride + i]) << "channel " << c << " chunk " << i;
      }
    }
  }
}

}  // namespace
}  // namespace nwc
