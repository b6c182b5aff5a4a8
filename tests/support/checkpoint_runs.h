// Compression and decompression of a TinyCheckpoint in tests: options, runs that must succeed, refusals.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "compress/compress.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/decompress.h"
#include "support/tiny_checkpoint.h"

namespace nwc::testing {

namespace fs = std::filesystem;

inline constexpr const char* kMarker = ".nwcodec-unfinished";
inline constexpr const char* kParts[] = {".nwcodec/part-00000.safetensors",
                                         ".nwcodec/part-00001.safetensors"};  // of layers.0 and layers.1
inline const std::set<std::string> kCompressed{"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight",
                                               "model.layers.1.self_attn.q_proj.weight"};

inline CompressOptions options_for(const TinyCheckpoint& tiny, const std::string& out = "out") {
  return {.model = tiny.model(),
          .output = tiny.out(out),
          .codecs = {tiny.codec()},
          .encode = {.tile_chunks = 64},
          .threads = 1};
}

inline CompressReport compressed(const CompressOptions& options) {
  Result<CompressReport> report = compress_checkpoint(options, {});
  if (!report) throw std::runtime_error(report.error().to_string());
  return *std::move(report);
}

inline DecompressReport decompressed(const DecompressOptions& options) {
  Result<DecompressReport> report = decompress_checkpoint(options, {});
  if (!report) throw std::runtime_error(report.error().to_string());
  return *std::move(report);
}

inline SafetensorsFile open_file(const fs::path& path) {
  Result<SafetensorsFile> file = SafetensorsFile::open(path);
  if (!file) throw std::runtime_error(file.error().to_string());
  return *std::move(file);
}

template <class T>
Error refusal(const Result<T>& result, ErrorCode code) {
  EXPECT_FALSE(result.ok());
  if (result.ok()) return Error(ErrorCode::kInternal, "not refused");
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
  return result.error();
}

template <class T>
void expect_refused(const Result<T>& result, ErrorCode code) {
  (void)refusal(result, code);
}

// Runs `operation` and stops it after its k-th report; returns the error.
template <class Operation>
std::optional<Error> interrupted_after(int k, const Operation& operation) {
  std::atomic<bool> stop = false;
  int reports = 0;
  const Progress progress{.report =
                              [&](uint64_t done, uint64_t total, const std::string&) {
                                EXPECT_LE(done, total);
                                if (++reports == k) stop = true;
                              },
                          .stop = &stop};
  const auto result = operation(progress);
  if (result.ok()) return std::nullopt;
  return result.error();
}

}  // namespace nwc::testing
