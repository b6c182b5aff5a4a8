"""Makes values.txt and dequantised.safetensors beside this file. Needs Python with torch and transformers (5.24).

values.txt: what PyTorch converts each code of the eight-bit floats to, as the bits of a float32.
dequantised.safetensors: FP8 weights in the layouts of published checkpoints, their scales, and what transformers'
Fp8Dequantize makes of them (names that end in ":BF16" and the like; "NAME" is tensor, "NAME_scale_inv" its scales).
"""

import os

import torch
from safetensors.torch import save_file
from transformers.integrations.finegrained_fp8 import Fp8Dequantize

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu}

with open(os.path.join(HERE, "values.txt"), "w") as out:
    for name, dtype in KINDS.items():
        values = torch.arange(256, dtype=torch.uint8).view(dtype).to(torch.float32)
        for code, bits in enumerate(values.view(torch.int32).tolist()):
            out.write(f"{name} {code} {bits & 0xFFFFFFFF:08x}\n")

generator = torch.Generator().manual_seed(12)
tensors = {}


def weights(kind, *shape):
    """All codes that are finite, in turn."""
    codes = torch.arange(256, dtype=torch.uint8)
    codes = codes[torch.isfinite(codes.view(kind).to(torch.float32))]
    count = torch.Size(shape).numel()
    order = torch.randint(len(codes), (count,), generator=generator)
    order[: min(count, len(codes))] = torch.arange(min(count, len(codes)))
    return codes[order].view(kind).reshape(shape)


def case(name, kind, shape, scale_shape, scale_dtype=torch.float32, spread=3.0):
    quantised = weights(kind, *shape)
    scales = torch.exp(spread * torch.randn(scale_shape, generator=generator)) / 100
    scales = scales.to(scale_dtype)
    tensors[name], tensors[name + "_scale_inv"] = quantised, scales
    for suffix, dtype in {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}.items():
        tensors[f"{name}:{suffix}"] = Fp8Dequantize(None)._dequantize_one(quantised, scales, output_dtype=dtype)


E4M3, E5M2 = KINDS["F8_E4M3"], KINDS["F8_E5M2"]
case("blocks.weight", E4M3, (48, 32), (3, 2))
case("blocks_bf16.weight", E4M3, (48, 32), (3, 2), torch.bfloat16)
case("blocks_e5m2.weight", E5M2, (48, 32), (3, 2))
case("tensor.weight", E4M3, (16, 24), ())
case("tensor_of_one.weight", E4M3, (16, 24), (1,), torch.bfloat16)
case("channels.weight", E4M3, (24, 16), (24, 1))
case("microscaled.weight", E4M3, (16, 64), (16, 2), KINDS["F8_E8M0"])
case("experts.down_proj", E4M3, (3, 32, 16), (3, 2, 1))
case("large.weight", E5M2, (16, 16), (1, 1), torch.float32, 30.0)
save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(HERE, "dequantised.safetensors"))
