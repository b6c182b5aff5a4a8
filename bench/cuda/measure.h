// What the tables of cuda_bench share: giving up, clocks, the two floors, and rows.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc::bench {

// One table each.
void bench_decoding(const std::filesystem::path& codecs, const std::filesystem::path& symbols_file);
void bench_encoding(const std::filesystem::path& codecs, bool cores);
void bench_trellis();
struct Shape {
  uint64_t rows = 0, columns = 0;
  double bits = 4;
};
void bench_matrix(const Shape& only);  // rows 0: those of the figures
void bench_checkpoint(const std::filesystem::path& codecs, const std::filesystem::path& directory, size_t layers);

// Gaussian weights of deviation 0.02 in BF16, the same in every run.
std::vector<std::byte> gaussian_bf16(size_t count);

[[noreturn]] void fail(const std::string& why);
template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().to_string());
  return *std::move(result);
}
void need(const Status& status);
void need(cudaError_t error);

// Seconds of run(i) on the default stream: the median of `repeats` after a few to warm up, by the device's events.
double median_seconds(int repeats, const std::function<void(int)>& run);
// Seconds of run() on the host's clock, the device's work included: the least and the median of `repeats` after one to
// warm up.
struct HostTimes {
  double least, median;
};
HostTimes host_seconds(int repeats, const std::function<void()>& run);

// Bytes read and written per second by a large copy within the device.
double copy_bandwidth();

// bf16 products through cuBLAS, found at run time.
struct Cublas {
  using Gemm = int (*)(void*, int, int, int, int, int, const void*, const void*, int, int, const void*, int, int,
                       const void*, void*, int, int, int, int);
  void* handle = nullptr;
  Gemm gemm = nullptr;  // null if it is not there
  Cublas();
  // y [n][m] = x [n][k] W^T, W [m][k], all row-major bf16.
  void product(int m, int n, int k, const void* w, const void* x, void* y) const;
};
// Operations per second of a large product; 0 without cuBLAS.
double matrix_rate(const Cublas& cublas);

void report(const std::string& name, const std::string& figure, const std::string& floor, const std::string& note);
std::string us(double seconds);

}  // namespace nwc::bench
