// A training step on the GPU: the chain of matrix products (cuBLAS, bf16 inside residual blocks, float32 at both ends
// and along the residual stream) and fused kernels (cuda/train/kernels.h), forward and back by hand, recorded once as a
// CUDA graph.
//
// All parameters live in one flat buffer, of which the modules' tensors become views, so that Adam is one kernel and
// validation uses the modules as they are.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <functional>

#include "cuda/train/kernels.h"
#include "learn/training_step.h"

namespace nwc {

class FusedStep : public TrainingStep {
 public:
  // Preconditions: a current GPU; valid options; widths with kernels. Throws c10::Error.
  FusedStep(const TrainOptions& options, Networks& networks, const torch::Tensor& training);
  ~FusedStep() override;
  FusedStep(const FusedStep&) = delete;
  FusedStep& operator=(const FusedStep&) = delete;

  void advance(int64_t step) override;
  double mean_loss() override;
  void save(torch::serialize::OutputArchive& archive) override;
  void load(torch::serialize::InputArchive& archive) override;

  // The pieces of a step, for tests: draws chunks and noise; gradients of the loss on them; Adam.
  void draw();
  void gradients();
  void update();
  torch::Tensor chunks() const { return x_; }     // [rows, chunk]
  torch::Tensor noise() const { return noise_; }  // [rows, latents]
  // The gradient of one of the networks' parameters, as a view into the flat buffer. Precondition: it is one of them.
  torch::Tensor gradient_of(const torch::Tensor& parameter) const;

 private:
  using bf16 = fused::bf16;

  // One transform's parameters as offsets into the flat buffer, and its activations.
  struct Net {
    int inputs, outputs, width, depth;
    int64_t in_weight, in_bias, out_weight, out_bias, embedding;
    struct Block {
      int64_t weight, bias, gain, offset;  // bias, gain and offset side by side
    };
    std::vector<Block> blocks;
    std::vector<torch::Tensor> h, h_low, y, mean, deviation;  // h[b] enters block b; h[depth] leaves the last
    torch::Tensor output;
  };

  static Net plan(const TransformNet& module, const NetworkShape& shape, int64_t inputs, int64_t outputs,
                  const std::function<int64_t(torch::Tensor&, bool)>& place);
  void allocate(Net& net);
  void forward(Net& net, const float* x);
  // From the gradient of the output; input_gradient may be null.
  void backward(Net& net, const bf16* x_low, const bf16* output_gradient, float* input_gradient);

  template <typename In, typename Out>
  void product(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const In* a, const In* b,
               float beta, Out* c);
  void column_sums(const bf16* in, int width, float* out);

  float* at(int64_t offset) const { return flat_.data_ptr<float>() + offset; }
  float* gradient_at(int64_t offset) const { return gradient_.data_ptr<float>() + offset; }
  const bf16* low_at(int64_t offset) const;

  const TrainOptions options_;
  const fused::Batch batch_;
  const int64_t rows_;
  fused::Schedule schedule_{};
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
  int64_t parts_ = 0, steps_ = 0, next_step_ = -1;

  torch::Tensor flat_, gradient_, first_, second_, low_, workspace_, state_;
  torch::Tensor training_, coefficients_, x_, x_low_, noise_, noisy_, noisy_low_;
  torch::Tensor rate_gradient_, latent_gradient_, output_gradient_, h_gradient_, y_gradient_;
  torch::Tensor shared_parts_, embedding_parts_, sum_parts_, density_parts_, loss_parts_;
  Net analysis_, synthesis_;
  fused::DensityLayout density_{};
  int64_t quantiles_ = 0;
  int sets_ = 1;
  fused::GroupEnds groups_{};
};

}  // namespace nwc
