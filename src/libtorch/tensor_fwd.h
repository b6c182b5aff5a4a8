// Lets headers name tensors without including LibTorch, which costs a source file some 16 s and 1.1 GB to compile.
// torch::Tensor is another name for at::Tensor.
#pragma once

namespace at {
class Tensor;
}  // namespace at
