// Parts of tensors, plain and compressed, on the CPU and through a DecodeBackend.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "codec/codec.h"
#include "compress/compress.h"
#include "decode/weight_store.h"
#include "nwcodec/decompress.h"
#include "nwcodec/weights.h"
#include "support/tiny_checkpoint.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;
using testing::TinyCheckpoint;

constexpr DType kWeightDtypes[] = {DType::kF32, DType::kF16, DType::kBF16};

Bytes whole(const Weights& weights, const WeightInfo& info, DType dtype) {
  Bytes out(info.elements() * bits_of(dtype) / 8);
  const Status status = weights.read(info.name, dtype, out, 2);
  EXPECT_TRUE(status.ok()) << status.error().to_string();
  return out;
}

// The part of the whole tensor's bytes, element by element; elements are of whole bytes.
Bytes cut(const Bytes& all, const WeightInfo& info, const WeightSlice& s, size_t size) {
  Bytes part;
  for (uint64_t r = s.row_begin; r < s.row_end; ++r) {
    for (uint64_t c = s.column_begin; c < s.column_end; ++c) {
      const uint64_t at = (s.matrix * info.rows() + r) * info.columns() + c;
      part.insert(part.end(), all.begin() + static_cast<ptrdiff_t>(at * size),
                  all.begin() + static_cast<ptrdiff_t>((at + 1) * size));
    }
  }
  return part;
}

// All of it, edges, single elements, nothing, and rectangles somewhere.
std::vector<WeightSlice> slices_of(const WeightInfo& info, std::mt19937& random) {
  const uint64_t rows = info.rows(), columns = info.columns(), last = info.matrices() - 1;
  std::vector<WeightSlice> slices = {{0, 0, rows, 0, columns}, {last, 0, rows, 0, columns},
                                     {last, 0, 1, 0, columns}, {last, rows - 1, rows, columns - 1, columns},
                                     {0, 0, rows, 0, 1},       {0, rows, rows, 0, columns},
                                     {last, 0, rows, 0, 0},    {0, rows / 2, rows, columns / 3, columns}};
  for (int i = 0; i < 20; ++i) {
    const auto range = [&](uint64_t n) {
      const uint64_t a = random() % (n + 1), b = random() % (n + 1);
      return std::pair(std::min(a, b), std::max(a, b));
    };
    const auto [row_begin, row_end] = range(rows);
    const auto [column_begin, column_end] = range(columns);
    slices.push_back({random() % (last + 1), row_begin, row_end, column_begin, column_end});
  }
  return slices;
}

void expect_slices_of_the_whole(const Weights& weights, const WeightInfo& info, DType dtype, std::mt19937& random) {
  const Bytes all = whole(weights, info, dtype);
  const size_t size = bits_of(dtype) / 8;
  for (const WeightSlice& slice : slices_of(info, random)) {
    Bytes part((slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin) * size, std::byte{0xCC});
    const Status status = weights.read(info.name, slice, dtype, part, 1);
    ASSERT_TRUE(status.ok()) << status.error().to_string();
    ASSERT_EQ(part, cut(all, info, slice, size))
        << info.name << ": matrix " << slice.matrix << ", rows " << slice.row_begin << " to " << slice.row_end
        << ", columns " << slice.column_begin << " to " << slice.column_end;
  }
}

// A plain checkpoint with a tensor of each dtype and number of dimensions, filled with finite numbers.
class PlainSlices : public ::testing::Test {
 protected:
  PlainSlices() {
    testing::SafetensorsBuilder builder;
    for (unsigned number = 0; number <= static_cast<unsigned>(DType::kC64); ++number) {
      const DType dtype = static_cast<DType>(number);
      for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{}, {8}, {5, 8}, {3, 5, 8}, {2, 3, 5, 8}}) {
        size_t n = 1;
        for (const uint64_t d : shape) n *= d;
        if (n * bits_of(dtype) % 8 != 0) continue;  // a scalar of less than a byte
        std::string data(n * bits_of(dtype) / 8, '\0');
        for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 % 61);
        builder.add(std::string(name_of(dtype)) + "." + std::to_string(shape.size()), std::string(name_of(dtype)),
                    shape, data);
      }
    }
    dir.add("model.safetensors", builder.bytes());
  }
  testing::TempDir dir;
};

TEST_F(PlainSlices, OfEveryDtypeAndShape) {
  const Result<Weights> weights = Weights::open(dir.path());
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  std::mt19937 random(1);
  int tensors = 0;
  for (const WeightInfo& info : weights->list()) {
    if (bits_of(info.dtype) % 8 != 0) continue;
    expect_slices_of_the_whole(*weights, info, info.dtype, random);
    ++tensors;
    if (!is_weight_dtype(info.dtype)) continue;
    for (const DType dtype : kWeightDtypes) expect_slices_of_the_whole(*weights, info, dtype, random);
  }
  EXPECT_EQ(tensors, 17 * 5);
}

TEST_F(PlainSlices, ShapesAreListsOfMatrices) {
  const Weights weights = *Weights::open(dir.path());
  const auto dims = [&](const char* name) {
    const WeightInfo* const info = weights.find(name);
    return std::vector<uint64_t>{info->matrices(), info->rows(), info->columns()};
  };
  EXPECT_EQ(dims("F32.0"), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(dims("F32.1"), (std::vector<uint64_t>{1, 1, 8}));
  EXPECT_EQ(dims("F32.2"), (std::vector<uint64_t>{1, 5, 8}));
  EXPECT_EQ(dims("F32.3"), (std::vector<uint64_t>{3, 5, 8}));
  EXPECT_EQ(dims("F32.4"), (std::vector<uint64_t>{6, 5, 8}));
  // Ends that are left out are the tensor's.
  Bytes row(8 * 4), column(5 * 4);
  EXPECT_TRUE(weights.read("F32.3", {.matrix = 2, .row_begin = 4}, DType::kF32, row).ok());
  EXPECT_EQ(static_cast<int>(row[0]), (2 * 5 + 4) * 8 * 4 * 7 % 61);
  EXPECT_TRUE(weights.read("F32.3", {.column_begin = 7}, DType::kF32, column).ok());
  EXPECT_EQ(static_cast<int>(column[4]), 15 * 4 * 7 % 61) << "row 1, column 7";
}

TEST_F(PlainSlices, LessThanAByte) {
  const Weights weights = *Weights::open(dir.path());
  const Bytes all = whole(weights, *weights.find("F4.2"), DType::kF4);  // rows of 4 bytes
  Bytes part(2);
  ASSERT_TRUE(
      weights.read("F4.2", {.row_begin = 1, .row_end = 2, .column_begin = 2, .column_end = 6}, DType::kF4, part).ok());
  EXPECT_EQ(part, (Bytes{all[5], all[6]}));
  const Status status =
      weights.read("F4.2", {.row_begin = 1, .row_end = 2, .column_begin = 1, .column_end = 5}, DType::kF4, part);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(status.error().tensor(), "F4.2");
}

TEST_F(PlainSlices, WhatCannotBeRead) {
  const Weights weights = *Weights::open(dir.path());
  Bytes out(4);
  const auto code = [&](const char* name, const WeightSlice& slice, DType dtype) {
    const Status status = weights.read(name, slice, dtype, out);
    return status ? std::optional<ErrorCode>() : status.error().code();
  };
  const WeightSlice one{.matrix = 0, .row_begin = 0, .row_end = 1, .column_begin = 0, .column_end = 1};
  EXPECT_EQ(code("F32.2", one, DType::kF32), std::nullopt);
  EXPECT_EQ(code("none", one, DType::kF32), ErrorCode::kNotFound);
  EXPECT_EQ(code("I32.2", one, DType::kF32), ErrorCode::kUnsupported);
  EXPECT_EQ(code("F32.2", one, DType::kF16), ErrorCode::kInvalidArgument) << "4 bytes for 2";
  for (const WeightSlice& outside : {WeightSlice{1, 0, 1, 0, 1},
                                     {0, 5, 6, 0, 1},
                                     {0, 1, 0, 0, 1},
                                     {0, 0, 1, 8, 9},
                                     {0, 0, 1, 2, 1},
                                     {0, 6, WeightSlice::kEnd, 0, 1}})
    EXPECT_EQ(code("F32.2", outside, DType::kF32), ErrorCode::kInvalidArgument);
}

// Reading a mapped page that the file has lost would kill the process.
TEST(PlainSlice, TouchesNoOtherBytes) {
  const testing::TempDir dir;
  const fs::path file =
      dir.add("model.safetensors",
              testing::SafetensorsBuilder().add("w", "F32", {1024, 256}, std::string(1 << 20, 'x')).bytes());
  const Result<Weights> weights = Weights::open(dir.path());
  ASSERT_TRUE(weights.ok());
  fs::resize_file(file, 256 << 10);
  Bytes rows(4 * 256 * 4);
  ASSERT_TRUE(weights->read("w", {.row_begin = 100, .row_end = 104}, DType::kF32, rows).ok());
  EXPECT_EQ(rows, Bytes(rows.size(), std::byte{'x'}));
}

// Decodes on the CPU, and knows what it was asked for.
class CountingBackend : public DecodeBackend {
 public:
  explicit CountingBackend(const fs::path& checkpoint) : codec_(*Codec::open(checkpoint / "codec.safetensors")) {}
  Status decode(const Piece& piece, std::span<std::byte> out) override {
    EXPECT_EQ(inside_.fetch_add(1), 0) << "called from two threads at once";
    ++pieces;
    NWC_ASSIGN_OR_RETURN(const TensorDecoder decoder,
                         TensorDecoder::open(piece.name, piece.stream, piece.scales, piece.levels, codec_));
    const Status status = decoder.decode_slice(
        {piece.matrix, piece.row_begin, piece.row_end, piece.column_begin, piece.column_end}, piece.dtype, out, 1);
    inside_ = 0;
    return status;
  }
  int pieces = 0;

 private:
  Codec codec_;
  std::atomic<int> inside_{0};
};

// Small tiles, so that a tensor has many; once as most models are stored, once as GPT-2 is: [inputs, outputs].
class CompressedSlices : public ::testing::TestWithParam<const char*> {
 protected:
  CompressedSlices() {
    std::mt19937 random(4);
    const auto text = [&](DType dtype, const std::vector<uint64_t>& shape) {
      size_t n = 1;
      for (const uint64_t d : shape) n *= d;
      const testing::OwnedMatrix matrix("", dtype, shape, testing::random_values(n, 0.02, random));
      return testing::text_of(matrix.bytes());
    };
    tiny.write_shards(
        testing::SafetensorsBuilder()
            .add("model.embed_tokens.weight", "F32", {32, 16}, text(DType::kF32, {32, 16}))
            .add(wide(0), "F32", {48, 70}, text(DType::kF32, {48, 70})),
        testing::SafetensorsBuilder()
            .add(wide(1), "BF16", {40, 20}, text(DType::kBF16, {40, 20}))
            .add("model.layers.1.self_attn.q_proj.weight", "F16", {2, 16, 33}, text(DType::kF16, {2, 16, 33}))
            .add("model.position_ids", "I64", {3}, testing::raw<int64_t>({-1, 0, 5})));
    tiny.dir().add("config.json", std::string("{\"model_type\": \"") + GetParam() + "\"}");
    CompressOptions options;
    options.model = tiny.model();
    options.output = tiny.out();
    options.codecs = {tiny.codec()};
    options.threads = 1;
    options.encode.tile_chunks = 32;
    const auto report = compress_checkpoint(options, {});
    EXPECT_TRUE(report.ok()) << report.error().to_string();
  }
  bool transposed() const { return std::string(GetParam()) == "gpt2"; }
  std::string wide(int layer) const {
    return "model.layers." + std::to_string(layer) + ".mlp." + (transposed() ? "c_fc" : "up_proj") + ".weight";
  }
  TinyCheckpoint tiny;
};

INSTANTIATE_TEST_SUITE_P(Orientations, CompressedSlices, ::testing::Values("llama", "gpt2"));

TEST_P(CompressedSlices, AreTheWholesParts) {
  const Result<Weights> weights = Weights::open(tiny.out());
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  std::mt19937 random(2);
  int compressed = 0;
  for (const WeightInfo& info : weights->list()) {
    if (!is_weight_dtype(info.dtype)) continue;
    compressed += info.compressed;
    for (const DType dtype : kWeightDtypes) expect_slices_of_the_whole(*weights, info, dtype, random);
  }
  EXPECT_EQ(compressed, 3);
}

TEST_P(CompressedSlices, DecodeOnlyTheirTiles) {
  const std::string name = wide(0);
  uint64_t tiles = 0, last_tile_at = 0;
  std::string shard;
  {
    const Result<WeightStore> store = WeightStore::open(tiny.out());
    ASSERT_TRUE(store.ok());
    const StoredWeight& weight = store->weights().at(name);
    const Result<TensorDecoder> decoder = store->open_stream(weight);
    ASSERT_TRUE(decoder.ok());
    const StreamHeader& h = decoder->header();
    EXPECT_EQ(h.transposed, transposed());
    tiles = decoder->parsed().tiles.size();
    last_tile_at = weight.stream->file_offset + decoder->parsed().tiles.back().offset;
    shard = store->checkpoint().shards()[weight.shard].path().string();
    // Stripes of 16 outputs run through all inputs: 70 chunks, or 48.
    const std::vector<uint64_t> first = decoder->tiles_of_slice({0, 0, 16, 0, h.columns});
    EXPECT_EQ(first, transposed() ? (std::vector<uint64_t>{0, 1}) : (std::vector<uint64_t>{0, 1, 2}));
    EXPECT_EQ(decoder->tiles_of_slice({0, 0, 16, 0, 32}), (std::vector<uint64_t>{0}));
    EXPECT_EQ(decoder->tiles_of_slice({0, 0, h.rows, 0, h.columns}).size(), tiles);
    // Input 40 stands at chunk 40 of each stripe.
    const std::vector<uint64_t> column = decoder->tiles_of_slice({0, 0, h.rows, 40, 41});
    EXPECT_EQ(column, transposed() ? (std::vector<uint64_t>{1, 2, 4, 5, 7}) : (std::vector<uint64_t>{1, 3, 5}));
  }
  // The last tile is damaged: what it holds cannot be read, all else can.
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(last_tile_at) + 10);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(last_tile_at) + 10);
  file.put(byte);
  file.close();
  const Result<Weights> weights = Weights::open(tiny.out());
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  const WeightInfo& info = *weights->find(name);
  const auto read = [&](const WeightSlice& slice) {
    Bytes out((slice.row_end - slice.row_begin) * (slice.column_end - slice.column_begin) * 4);
    return weights->read(name, slice, DType::kF32, out);
  };
  const uint64_t rows = info.rows(), columns = info.columns();
  EXPECT_TRUE(read({0, 0, 16, 0, 16}).ok());
  EXPECT_TRUE(
      read(transposed() ? WeightSlice{0, 0, rows, 0, columns - 16} : WeightSlice{0, 0, rows - 16, 0, columns}).ok());
  for (const WeightSlice& damaged : {WeightSlice{0, rows - 1, rows, columns - 1, columns}, {0, 0, rows, 0, columns}}) {
    const Status status = read(damaged);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    EXPECT_EQ(status.error().file(), shard);
    EXPECT_EQ(status.error().tensor(), name);
    EXPECT_EQ(status.error().offset(), last_tile_at);
  }
}

TEST_P(CompressedSlices, OfAPlainTensorAreReadAlone) {
  uint64_t at = 0;
  std::string shard;
  {
    const Checkpoint checkpoint = *Checkpoint::open(tiny.out());
    const Checkpoint::Location found = checkpoint.find("model.embed_tokens.weight");
    at = found.tensor->file_offset + found.tensor->bytes.size() - 1;
    shard = found.shard->path().string();
  }
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('\x11');
  file.close();
  const Weights weights = *Weights::open(tiny.out());
  const WeightInfo& info = *weights.find("model.embed_tokens.weight");
  Bytes all(info.elements() * 4), rows(2 * info.columns() * 4);
  EXPECT_FALSE(weights.read(info.name, DType::kF32, all).ok()) << "the checksum";
  EXPECT_TRUE(weights.read(info.name, {.row_begin = 1, .row_end = 3}, DType::kF32, rows).ok());
}

TEST_P(CompressedSlices, ComeFromTheBackendIfThereIsOne) {
  const auto backend = std::make_shared<CountingBackend>(tiny.out());
  const Result<Weights> cpu = Weights::open(tiny.out()), other = Weights::open(tiny.out(), backend);
  ASSERT_TRUE(cpu.ok() && other.ok());
  for (const WeightInfo& info : cpu->list()) {
    const int before = backend->pieces;
    EXPECT_EQ(whole(*other, info, info.dtype), whole(*cpu, info, info.dtype));
    EXPECT_EQ(backend->pieces - before, info.compressed ? static_cast<int>(info.matrices()) : 0) << info.name;
  }
  std::mt19937 random(3);
  const WeightInfo& info = *cpu->find("model.layers.1.self_attn.q_proj.weight");
  backend->pieces = 0;
  expect_slices_of_the_whole(*other, info, DType::kBF16, random);
  EXPECT_GT(backend->pieces, 20);

  Bytes small(1);
  EXPECT_EQ(other->read(info.name, {.row_end = 1}, DType::kF32, small).error().code(), ErrorCode::kInvalidArgument);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { (void)whole(*other, info, DType::kF32); });
}

class ThrowingBackend : public DecodeBackend {
 public:
  Status decode(const Piece&, std::span<std::byte>) override { throw std::bad_alloc(); }
};

TEST_P(CompressedSlices, NoExceptionLeavesTheLibrary) {
  const auto backend = std::make_shared<ThrowingBackend>();
  const Weights weights = *Weights::open(tiny.out(), backend);
  const WeightInfo& info = *weights.find(wide(0));
  Bytes out(info.elements() * 4);
  const Status status = weights.read(info.name, DType::kF32, out);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(status.error().to_string(), "tensor '" + info.name + "': out of memory");
  EXPECT_EQ(
      decompress_checkpoint({.input = tiny.out(), .output = tiny.out("o"), .backend = backend}, {}).error().code(),
      ErrorCode::kLimit);
}

TEST_P(CompressedSlices, DecompressToTheSameThroughABackend) {
  const auto backend = std::make_shared<CountingBackend>(tiny.out());
  ASSERT_TRUE(decompress_checkpoint({.input = tiny.out(), .output = tiny.out("cpu")}, {}).ok());
  ASSERT_TRUE(decompress_checkpoint({.input = tiny.out(), .output = tiny.out("other"), .backend = backend}, {}).ok());
  EXPECT_EQ(testing::contents_of(tiny.out("other")), testing::contents_of(tiny.out("cpu")));
  EXPECT_EQ(backend->pieces, 4) << "two tensors, and one of two matrices";
}

}  // namespace
}  // namespace nwc
