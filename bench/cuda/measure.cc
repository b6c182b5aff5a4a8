#include "measure.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "base/half.h"
#include "cuda/support/memory.h"

namespace nwc::bench {
namespace {

cuda::DeviceMemory random_bf16(size_t count) {
  std::vector<uint16_t> values(count);
  std::mt19937 random(1);
  for (uint16_t& v : values) v = static_cast<uint16_t>(0x3C00 + (random() & 0x83FF));
  cuda::DeviceMemory memory = need(cuda::DeviceMemory::of(count * 2));
  need(cudaMemcpy(memory.data(), values.data(), count * 2, cudaMemcpyHostToDevice));
  return memory;
}

}  // namespace

std::vector<std::byte> gaussian_bf16(size_t count) {
  std::vector<std::byte> bytes(count * 2);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint16_t v = bf16_from_float(0.02f * normal(random));
    std::memcpy(bytes.data() + i, &v, 2);
  }
  return bytes;
}

void fail(const std::string& why) {
  std::fprintf(stderr, "cuda_bench: %s\n", why.c_str());
  std::exit(1);
}
void need(const Status& status) {
  if (!status) fail(status.error().to_string());
}
void need(cudaError_t error) {
  if (error != cudaSuccess) fail(cudaGetErrorString(error));
}

double median_seconds(int repeats, const std::function<void(int)>& run) {
  cudaEvent_t begin, end;
  need(cudaEventCreate(&begin));
  need(cudaEventCreate(&end));
  std::vector<float> times;
  for (int i = -3; i < repeats; ++i) {
    need(cudaEventRecord(begin, nullptr));
    run(i + 3);
    need(cudaEventRecord(end, nullptr));
    need(cudaEventSynchronize(end));
    float ms = 0;
    need(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 0) times.push_back(ms);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2] * 1e-3;
}

HostTimes host_seconds(int repeats, const std::function<void()>& run) {
  std::vector<double> times;
  for (int i = -1; i < repeats; ++i) {
    need(cudaDeviceSynchronize());
    const auto begin = std::chrono::steady_clock::now();
    run();
    need(cudaDeviceSynchronize());
    if (i >= 0) times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return {times.front(), times[times.size() / 2]};
}

double copy_bandwidth() {
  constexpr size_t kSize = size_t{2} << 30;
  const cuda::DeviceMemory a = need(cuda::DeviceMemory::of(kSize)), b = need(cuda::DeviceMemory::of(kSize));
  need(cudaMemset(a.data(), 0x5A, kSize));
  const double seconds = median_seconds(
      20, [&](int) { need(cudaMemcpyAsync(b.data(), a.data(), kSize, cudaMemcpyDeviceToDevice, nullptr)); });
  return 2.0 * kSize / seconds;
}

Cublas::Cublas() {
  using Create = int (*)(void**);
  for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
    void* const library = dlopen(name, RTLD_NOW);
    if (library == nullptr) continue;
    const auto create = reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2"));
    gemm = reinterpret_cast<Gemm>(dlsym(library, "cublasGemmEx"));
    if (create == nullptr || gemm == nullptr || create(&handle) != 0) gemm = nullptr;
    return;
  }
}

void Cublas::product(int m, int n, int k, const void* w, const void* x, void* y) const {
  const float one = 1, zero = 0;
  constexpr int kTransposed = 1, kPlain = 0, kBf16 = 14, kFloat = 68 /* CUBLAS_COMPUTE_32F */, kDefault = -1;
  if (gemm(handle, kTransposed, kPlain, m, n, k, &one, w, kBf16, k, x, kBf16, k, &zero, y, kBf16, m, kFloat,
           kDefault) != 0)
    fail("cublasGemmEx");
}
double matrix_rate(const Cublas& cublas) {
  if (cublas.gemm == nullptr) return 0;
  constexpr int n = 8192;
  const cuda::DeviceMemory a = random_bf16(size_t{n} * n), b = random_bf16(size_t{n} * n),
                           c = need(cuda::DeviceMemory::of(size_t{n} * n * 2));
  return 2.0 * n * n * n / median_seconds(10, [&](int) { cublas.product(n, n, n, a.data(), b.data(), c.data()); });
}

void report(const std::string& name, const std::string& figure, const std::string& floor, const std::string& note) {
  fmt::print("{:<52} {:>22} {:>18}  {}\n", name, figure, floor, note);
  std::fflush(stdout);
}
std::string us(double seconds) { return fmt::format("{:.1f} us", seconds * 1e6); }

}  // namespace nwc::bench
