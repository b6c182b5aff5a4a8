"""Linear layers whose weights stay compressed in memory."""

from __future__ import annotations

from typing import Any

import torch

from nwcodec import _nwcodec
from nwcodec.checkpoint import Checkpoint, Tensor
from nwcodec.errors import UnsupportedError

__all__ = ["CompressedLinear", "Residence"]

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class _OnCpu:
    """Streams in the checkpoint's mapped files, a buffer that all layers share."""

    def __init__(self, checkpoint: Checkpoint, largest: int):
        self._buffer = torch.empty(largest, dtype=torch.uint8)

    def weight(self, tensor: Tensor, dtype: torch.dtype) -> torch.Tensor:
        bytes_ = self._buffer[: tensor.size * dtype.itemsize]
        tensor.read_into(bytes_.numpy(), threads=torch.get_num_threads())
        return bytes_.view(dtype).view(tensor.shape)


class _OnCuda:
    """Streams in the device's memory, a buffer that all layers share; decoding runs on the current stream."""

    def __init__(self, checkpoint: Checkpoint, largest: int, device: torch.device):
        if not hasattr(_nwcodec, "Streams"):
            raise UnsupportedError(
                "this build of nwcodec has no CUDA kernels: install one with them, or load without nwcodec_resident"
            )
        self._device = device
        index = device.index if device.index is not None else torch.cuda.current_device()
        self._streams = _nwcodec.Streams.open(str(checkpoint.directory), index)
        self._buffer = torch.empty(largest, dtype=torch.uint8, device=device)
        self._planned: dict[str, Any] = {}

    def _plan(self, tensor: Tensor) -> Any:
        size = self._streams.stream_bytes(tensor.name)
        host = torch.empty(size, dtype=torch.uint8)
        self._streams.copy_stream(tensor.name, host.numpy())
        stream = torch.zeros((size + 3) // 4 * 4, dtype=torch.uint8, device=self._device)
        stream[:size].copy_(host)
        plan = _nwcodec.ResidentTensor.plan(
            self._streams, tensor.name, stream.data_ptr(), self._buffer.data_ptr(), tensor.dtype
        )
        scratch = torch.empty(plan.scratch_bytes, dtype=torch.uint8, device=self._device)
        staging = torch.empty(plan.staging_bytes, dtype=torch.uint8, pin_memory=True)
        statuses = torch.zeros(plan.tiles, dtype=torch.int32, device=self._device)
        current = torch.cuda.current_stream(self._device)
        plan.upload(scratch.data_ptr(), staging.data_ptr(), current.cuda_stream)
        plan.decode(scratch.data_ptr(), statuses.data_ptr(), current.cuda_stream)
        current.synchronize()
        plan.check(statuses.cpu().numpy().view("uint32"))
        return plan, stream, scratch, statuses

    def weight(self, tensor: Tensor, dtype: torch.dtype) -> torch.Tensor:
        with torch.cuda.device(self._device):
            if tensor.name not in self._planned:
                self._planned[tensor.name] = self._plan(tensor)
            plan, _, scratch, statuses = self._planned[tensor.name]
            current = torch.cuda.current_stream(self._device)
            plan.decode(scratch.data_ptr(), statuses.data_ptr(), current.cuda_stream)
        return self._buffer[: tensor.size * dtype.itemsize].view(dtype).view(tensor.shape)


class Residence:
    """Where the compressed tensors of a checkpoint live, device by device; layers of a model share one.

    Not for several threads at once: layers of a device share a buffer.
    """

    def __init__(self, checkpoint: Checkpoint):
        self._checkpoint = checkpoint
        self._largest = 0
        self._places: dict[torch.device, Any] = {}

    def add(self, tensor: Tensor) -> None:
        """Announces a tensor; before the first weight() of its device."""
        self._largest = max(self._largest, tensor.size * _DTYPES[tensor.dtype].itemsize)

    def weight(self, tensor: Tensor, device: torch.device) -> torch.Tensor:
        """The weight, decoded to the original's dtype; valid until the next one of that device."""
        dtype = _DTYPES[tensor.dtype]
        if device not in self._places:
            if device.type == "cuda":
                self._places[device] = _OnCuda(self._checkpoint, self._largest, device)
            elif device.type == "cpu":
                self._places[device] = _OnCpu(self._checkpoint, self._largest)
            else:
                raise UnsupportedError(f"compressed layers run on the CPU and on CUDA, not on {device}")
        return self._places[device].weight(tensor, dtype)


class CompressedLinear(torch.nn.Module):
    """y = x W^T + b, W decoded for each product. Forward only.

    Attributes:
        in_features, out_features: W's columns and rows.
    """

    def __init__(self, residence: Residence, tensor: Tensor, bias: torch.nn.Parameter | None):
        super().__init__()
        self._residence = residence
        self._tensor = tensor
        residence.add(tensor)
        self.out_features, self.in_features = tensor.shape
        self.register_parameter("bias", bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, tensor={self._tensor.name!r}"

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self._residence.weight(self._tensor, x.device)
        return torch.nn.functional.linear(x, weight.to(x.dtype), self.bias)
