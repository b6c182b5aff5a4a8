#include "cuda/train/fused_step.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>

#include <cmath>

namespace nwc {
namespace {

constexpr int kDensitySplits = 16, kErrorParts = 256;
constexpr int64_t kWorkspaceBytes = 32 << 20;  // what cuBLAS wants on Hopper
constexpr int64_t kAlignment = 8;              // of matrices in the flat buffer, in parameters: 16 bytes as bf16
constexpr double kTailMass = 1e-9;             // as in FactorizedDensity

void check(cublasStatus_t status) {
  TORCH_CHECK(status == CUBLAS_STATUS_SUCCESS, "cuBLAS: ", cublasGetStatusString(status));
}

torch::TensorOptions on_gpu(torch::ScalarType type) { return torch::TensorOptions().device(torch::kCUDA).dtype(type); }
torch::Tensor floats(at::IntArrayRef sizes) { return torch::empty(sizes, on_gpu(torch::kFloat32)); }
torch::Tensor lows(at::IntArrayRef sizes) { return torch::empty(sizes, on_gpu(torch::kBFloat16)); }

float* f(const torch::Tensor& tensor) { return tensor.data_ptr<float>(); }
fused::bf16* low(const torch::Tensor& tensor) {
  return reinterpret_cast<fused::bf16*>(tensor.data_ptr<at::BFloat16>());
}
fused::StepState* state(const torch::Tensor& tensor) {
  return reinterpret_cast<fused::StepState*>(tensor.data_ptr<uint8_t>());
}

}  // namespace

const fused::bf16* FusedStep::low_at(int64_t offset) const { return low(low_) + offset; }

FusedStep::Net FusedStep::plan(const TransformNet& module, const NetworkShape& shape, int64_t inputs, int64_t outputs,
                               const std::function<int64_t(torch::Tensor&, bool)>& place) {
  Net net{.inputs = static_cast<int>(inputs),
          .outputs = static_cast<int>(outputs),
          .width = static_cast<int>(shape.depth == 0 ? inputs : shape.width),
          .depth = static_cast<int>(shape.depth)};
  auto parameters = module->named_parameters();
  net.embedding = place(parameters["embedding"], true);
  if (net.depth > 0) {
    net.in_weight = place(parameters["input.weight"], true);
    net.in_bias = place(parameters["input.bias"], true);
  }
  for (int b = 0; b < net.depth; ++b) {
    const std::string n = std::to_string(b);
    Net::Block block{};
    block.weight = place(parameters["linear" + n + ".weight"], true);
    block.bias = place(parameters["linear" + n + ".bias"], true);
    block.gain = place(parameters["norm" + n + ".weight"], false);
    block.offset = place(parameters["norm" + n + ".bias"], false);
    net.blocks.push_back(block);
  }
  net.out_weight = place(parameters["output.weight"], true);
  net.out_bias = place(parameters["output.bias"], true);
  return net;
}

void FusedStep::allocate(Net& net) {
  for (int b = 0; b <= net.depth; ++b) {
    net.h.push_back(floats({rows_, net.width}));
    net.h_low.push_back(lows({rows_, net.width}));
  }
  for (int b = 0; b < net.depth; ++b) {
    net.y.push_back(lows({rows_, net.width}));
    net.mean.push_back(floats({rows_}));
    net.deviation.push_back(floats({rows_}));
  }
  net.output = floats({rows_, net.outputs});
}

FusedStep::FusedStep(const TrainOptions& options, Networks& networks, const torch::Tensor& training)
    : options_(options),
      batch_{static_cast<int>(options.level_coefficients.size()),
             options.batch / static_cast<int64_t>(options.level_coefficients.size())},
      rows_(batch_.levels * batch_.per_level) {
  const bool paper = options.recipe == TrainRecipe::kPaper;
  schedule_ = {options.learning_rate,
               options.auxiliary_learning_rate,
               paper ? 1.0 : kDensityRate,
               static_cast<double>(options.steps),
               !paper,
               learns_analysis(options),
               learns_synthesis(options),
               learns_density(options)};

  // The flat buffer: networks, density, quantiles.
  int64_t size = 0;
  std::vector<std::pair<torch::Tensor, int64_t>> placed;
  const std::function<int64_t(torch::Tensor&, bool)> place = [&](torch::Tensor& parameter, bool aligned) {
    if (aligned) size = (size + kAlignment - 1) / kAlignment * kAlignment;
    placed.emplace_back(parameter, size);
    const int64_t offset = size;
    size += parameter.numel();
    return offset;
  };
  analysis_ = plan(networks.analysis, options.analysis, options.chunk, options.latents, place);
  groups_.ends[0] = size;
  synthesis_ = plan(networks.synthesis, options.synthesis, options.latents, options.chunk, place);
  groups_.ends[1] = size;
  auto density = networks.density->named_parameters();
  for (int i = 0; i < fused::kDensityLayers; ++i) {
    const std::string n = std::to_string(i);
    density_.matrix[i] = place(density["matrix" + n], true);
    density_.bias[i] = place(density["bias" + n], true);
    if (i + 1 < fused::kDensityLayers) density_.factor[i] = place(density["factor" + n], true);
  }
  sets_ = static_cast<int>(networks.density->quantiles().size(0) / options.latents);
  groups_.ends[2] = size;
  quantiles_ = place(density["quantiles"], false);
  groups_.ends[3] = size;

  flat_ = torch::zeros({size}, on_gpu(torch::kFloat32));
  gradient_ = torch::zeros_like(flat_);
  first_ = torch::zeros_like(flat_);
  second_ = torch::zeros_like(flat_);
  low_ = lows({size});
  for (auto& [parameter, offset] : placed) {
    torch::Tensor view = flat_.slice(0, offset, offset + parameter.numel()).view(parameter.sizes());
    view.copy_(parameter.detach());
    parameter.set_data(view);
  }

  int device = 0, multiprocessors = 0;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device));
  parts_ = fused::residual_parts(batch_.levels, multiprocessors);
  const int64_t widest = std::max(
      {analysis_.width, synthesis_.width, analysis_.inputs, synthesis_.inputs, analysis_.outputs, synthesis_.outputs});
  training_ = training.to(torch::kCUDA).contiguous();
  coefficients_ = torch::tensor(options.level_coefficients, torch::kFloat32).to(torch::kCUDA);
  x_ = floats({rows_, options.chunk});
  x_low_ = lows({rows_, options.chunk});
  noise_ = floats({rows_, options.latents});
  noisy_ = floats({rows_, options.latents});
  noisy_low_ = lows({rows_, options.latents});
  rate_gradient_ = floats({rows_, options.latents});
  latent_gradient_ = floats({rows_, options.latents});
  output_gradient_ = lows({rows_, std::max(options.latents, options.chunk)});
  h_gradient_ = lows({rows_, widest});
  y_gradient_ = lows({rows_, widest});
  shared_parts_ = floats({parts_, 3 * widest});
  embedding_parts_ = floats({parts_, widest});
  sum_parts_ = floats({parts_, widest});
  density_parts_ = floats({kDensitySplits, sets_ * options.latents, fused::kDensityParameters});
  loss_parts_ = torch::empty({kErrorParts + kDensitySplits * sets_ * options.latents}, on_gpu(torch::kFloat64));
  workspace_ = torch::empty({kWorkspaceBytes}, on_gpu(torch::kUInt8));
  state_ = torch::zeros({static_cast<int64_t>(sizeof(fused::StepState))}, on_gpu(torch::kUInt8));
  allocate(analysis_);
  allocate(synthesis_);

  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  check(cublasCreate(&blas_));
  check(cublasSetStream(blas_, stream_));
  check(cublasSetWorkspace(blas_, workspace_.data_ptr(), static_cast<size_t>(kWorkspaceBytes)));
  C10_CUDA_CHECK(cudaDeviceSynchronize());  // what LibTorch put on its own stream is there
}

FusedStep::~FusedStep() {
  if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
  if (blas_ != nullptr) cublasDestroy(blas_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

// c [m, n] = a b + beta c, all row-major; cuBLAS sees the transposed problem, column-major.
template <typename In, typename Out>
void FusedStep::product(bool a_transposed, bool b_transposed, int64_t m, int64_t n, int64_t k, const In* a, const In* b,
                        float beta, Out* c) {
  const float alpha = 1.0f;
  const auto type = [](auto* p) { return sizeof(*p) == 2 ? CUDA_R_16BF : CUDA_R_32F; };
  check(cublasGemmEx(blas_, b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                     static_cast<int>(n), static_cast<int>(m), static_cast<int>(k), &alpha, b, type(b),
                     static_cast<int>(b_transposed ? k : n), a, type(a), static_cast<int>(a_transposed ? m : k), &beta,
                     c, type(c), static_cast<int>(n), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}

void FusedStep::column_sums(const bf16* in, int width, float* out) {
  fused::column_sums(in, rows_, width, parts_, f(sum_parts_), stream_);
  fused::sum_parts(f(sum_parts_), 1, parts_, width, out, stream_);
}

void FusedStep::forward(Net& net, const float* x) {
  if (net.depth == 0) {
    fused::scale_by_level(x, at(net.embedding), batch_, net.width, f(net.h[0]), low(net.h_low[0]), stream_);
  } else {
    product(false, true, rows_, net.width, net.inputs, x, at(net.in_weight), 0.0f, f(net.h[0]));
    fused::add_bias(f(net.h[0]), at(net.in_bias), rows_, net.width, low(net.h_low[0]), stream_);
  }
  for (int b = 0; b < net.depth; ++b) {
    const size_t i = static_cast<size_t>(b);
    const Net::Block& block = net.blocks[i];
    product(false, true, rows_, net.width, net.width, static_cast<const bf16*>(low(net.h_low[i])), low_at(block.weight),
            0.0f, low(net.y[i]));
    const fused::BlockParameters parameters{at(block.bias), at(block.gain), at(block.offset),
                                            at(net.embedding + b * batch_.levels * net.width)};
    fused::residual_forward(low(net.y[i]), f(net.h[i]), parameters, batch_, net.width, f(net.h[i + 1]),
                            low(net.h_low[i + 1]), f(net.mean[i]), f(net.deviation[i]), stream_);
  }
  product(false, true, rows_, net.outputs, net.width, static_cast<const float*>(f(net.h.back())),
          static_cast<const float*>(at(net.out_weight)), 0.0f, f(net.output));
}

void FusedStep::backward(Net& net, const bf16* x_low, const bf16* output_gradient, float* input_gradient) {
  product(true, false, net.outputs, net.width, rows_, output_gradient, static_cast<const bf16*>(low(net.h_low.back())),
          0.0f, gradient_at(net.out_weight));
  column_sums(output_gradient, net.outputs, gradient_at(net.out_bias));
  const int64_t level_parts = parts_ / batch_.levels;
  if (net.depth == 0) {
    // In float32 throughout; the forward pass's buffer is free by now.
    float* const gradient = f(net.h[0]);
    product(false, false, rows_, net.width, net.outputs, output_gradient, low_at(net.out_weight), 0.0f, gradient);
    fused::product_sums(x_low, gradient, batch_, net.width, level_parts, f(embedding_parts_), stream_);
    fused::sum_parts(f(embedding_parts_), batch_.levels, level_parts, net.width, gradient_at(net.embedding), stream_);
    if (input_gradient != nullptr)
      fused::scale_by_level(gradient, at(net.embedding), batch_, net.width, input_gradient, low(net.h_low[0]), stream_);
    return;
  }
  bf16* const h_gradient = low(h_gradient_);
  bf16* const y_gradient = low(y_gradient_);
  product(false, false, rows_, net.width, net.outputs, output_gradient, low_at(net.out_weight), 0.0f, h_gradient);
  for (int b = net.depth - 1; b >= 0; --b) {
    const size_t i = static_cast<size_t>(b);
    const Net::Block& block = net.blocks[i];
    const int64_t embedding = net.embedding + b * batch_.levels * net.width;
    const fused::BlockParameters parameters{at(block.bias), at(block.gain), at(block.offset), at(embedding)};
    fused::residual_backward(low(net.y[i]), f(net.h[i]), f(net.mean[i]), f(net.deviation[i]), parameters, batch_,
                             net.width, h_gradient, y_gradient, parts_, f(shared_parts_), f(embedding_parts_), stream_);
    fused::sum_parts(f(shared_parts_), 1, parts_, 3 * net.width, gradient_at(block.bias), stream_);
    fused::sum_parts(f(embedding_parts_), batch_.levels, level_parts, net.width, gradient_at(embedding), stream_);
    const bf16* const dy = y_gradient;
    product(true, false, net.width, net.width, rows_, dy, static_cast<const bf16*>(low(net.h_low[i])), 0.0f,
            gradient_at(block.weight));
    product(false, false, rows_, net.width, net.width, dy, low_at(block.weight), 1.0f, h_gradient);
  }
  const bf16* const dh = h_gradient;
  product(true, false, net.width, net.inputs, rows_, dh, x_low, 0.0f, gradient_at(net.in_weight));
  column_sums(dh, net.width, gradient_at(net.in_bias));
  if (input_gradient != nullptr)
    product(false, false, rows_, net.inputs, net.width, dh, low_at(net.in_weight), 0.0f, input_gradient);
}

void FusedStep::draw() {
  fused::begin_step(state(state_), schedule_, stream_);
  fused::draw(f(training_), training_.size(0), static_cast<int>(options_.chunk), static_cast<int>(options_.latents),
              options_.seed, state(state_), rows_, f(x_), f(noise_), stream_);
}

void FusedStep::gradients() {
  const int latents = static_cast<int>(options_.latents), chunk = static_cast<int>(options_.chunk);
  const double per_weight = 1.0 / static_cast<double>(options_.chunk * rows_);
  double* const loss_parts = loss_parts_.data_ptr<double>();
  fused::to_bf16(f(x_), x_.numel(), low(x_low_), stream_);
  fused::to_bf16(f(flat_), flat_.numel(), low(low_), stream_);

  forward(analysis_, f(x_));
  fused::add_bias_and_noise(f(analysis_.output), at(analysis_.out_bias), f(noise_), rows_, latents, f(noisy_),
                            low(noisy_low_), stream_);
  fused::density_rate(f(flat_), density_, sets_, latents, f(noisy_), f(coefficients_), per_weight, batch_,
                      kDensitySplits, f(rate_gradient_), f(density_parts_), loss_parts + kErrorParts, stream_);
  fused::density_gradients(f(flat_), density_, sets_ * latents, f(density_parts_), kDensitySplits, f(gradient_),
                           stream_);
  forward(synthesis_, f(noisy_));
  fused::squared_error(f(synthesis_.output), at(synthesis_.out_bias), f(x_), rows_, chunk, options_.lambda * per_weight,
                       low(output_gradient_), kErrorParts, loss_parts, stream_);
  fused::add_loss(loss_parts, loss_parts_.numel(), state(state_), stream_);

  backward(synthesis_, low(noisy_low_), low(output_gradient_), f(latent_gradient_));
  fused::add_to_bf16(f(rate_gradient_), f(latent_gradient_), rows_ * latents, low(output_gradient_), stream_);
  backward(analysis_, low(x_low_), low(output_gradient_), nullptr);
  fused::quantile_gradients(f(flat_), density_, quantiles_, sets_ * latents,
                            static_cast<float>(std::log(2.0 / kTailMass - 1.0)), f(gradient_), stream_);
}

void FusedStep::update() {
  fused::adam(f(flat_), f(gradient_), f(first_), f(second_), groups_, state(state_), stream_);
}

void FusedStep::advance(int64_t step) {
  const auto launch = [&] {
    draw();
    gradients();
    update();
    C10_CUDA_KERNEL_LAUNCH_CHECK();
  };
  if (step != next_step_) {
    C10_CUDA_CHECK(cudaMemcpyAsync(&state(state_)->step, &step, sizeof(step), cudaMemcpyHostToDevice, stream_));
    C10_CUDA_CHECK(cudaDeviceSynchronize());  // LibTorch may have written weights on its own stream
    launch();                                 // outside a graph at first: libraries may set themselves up
  } else if (graph_ == nullptr) {
    cudaGraph_t recorded = nullptr;
    C10_CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    launch();
    C10_CUDA_CHECK(cudaStreamEndCapture(stream_, &recorded));
    C10_CUDA_CHECK(cudaGraphInstantiate(&graph_, recorded, 0));
    C10_CUDA_CHECK(cudaGraphDestroy(recorded));
    C10_CUDA_CHECK(cudaGraphLaunch(graph_, stream_));
  } else {
    C10_CUDA_CHECK(cudaGraphLaunch(graph_, stream_));
  }
  next_step_ = step + 1;
  ++steps_;
}

double FusedStep::mean_loss() {
  fused::StepState host{};
  C10_CUDA_CHECK(cudaStreamSynchronize(stream_));
  C10_CUDA_CHECK(cudaMemcpy(&host, state(state_), sizeof(host), cudaMemcpyDeviceToHost));
  const double zero = 0, mean = steps_ > 0 ? host.loss_sum / static_cast<double>(steps_) : 0.0;
  C10_CUDA_CHECK(cudaMemcpy(&state(state_)->loss_sum, &zero, sizeof(zero), cudaMemcpyHostToDevice));
  steps_ = 0;
  return mean;
}

torch::Tensor FusedStep::gradient_of(const torch::Tensor& parameter) const {
  const int64_t offset = parameter.data_ptr<float>() - f(flat_);
  return gradient_.slice(0, offset, offset + parameter.numel()).view(parameter.sizes());
}

void FusedStep::save(torch::serialize::OutputArchive& archive) {
  C10_CUDA_CHECK(cudaStreamSynchronize(stream_));
  archive.write("first_moment", first_.cpu(), true);
  archive.write("second_moment", second_.cpu(), true);
}

void FusedStep::load(torch::serialize::InputArchive& archive) {
  torch::Tensor first, second;
  archive.read("first_moment", first, true);
  archive.read("second_moment", second, true);
  TORCH_CHECK(first.sizes() == first_.sizes() && second.sizes() == second_.sizes(), "state of other networks");
  first_.copy_(first);
  second_.copy_(second);
  C10_CUDA_CHECK(cudaDeviceSynchronize());
}

Result<std::unique_ptr<TrainingStep>> make_fused_step(const TrainOptions& options, Networks& networks,
                                                      const torch::Tensor& training) {
  if (c10::cuda::device_count() == 0)
    return Error(ErrorCode::kUnsupported, "there is no GPU that CUDA can use").remedy("train on the CPU");
  for (const NetworkShape& shape : {options.analysis, options.synthesis}) {
    if (shape.depth > 0 && !fused::supports_width(shape.width)) {
      return Error(ErrorCode::kUnsupported, "training on a GPU takes widths up to 256, and 512, 768 and 1024, not " +
                                                std::to_string(shape.width))
          .remedy("choose another width, or train on the CPU");
    }
  }
  return std::unique_ptr<TrainingStep>(std::make_unique<FusedStep>(options, networks, training));
}

}  // namespace nwc
