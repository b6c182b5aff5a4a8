// What most sources need of LibTorch: tensors, operations, and whether gradients are recorded. A source that includes
// <torch/torch.h> instead takes twice the time and memory to compile; modules, optimisers and archives have headers of
// their own.
#pragma once

#include <torch/types.h>
#include <torch/utils.h>
