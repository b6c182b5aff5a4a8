"""Compressed tensors decoded on a CUDA device, into PyTorch's memory and on its streams."""

from __future__ import annotations

from typing import Any

import torch

from nwcodec import _nwcodec
from nwcodec.checkpoint import Checkpoint, Tensor
from nwcodec.errors import UnsupportedError

__all__ = ["CudaStreams", "Plan", "DTYPES"]

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Plan:
    """A tensor whose stream lies in the device's memory: decoded again and again to the same place.

    Args:
        native: the library's plan, whose output is `out`.
        stream: the compressed bytes.
    """

    def __init__(self, native: Any, stream: torch.Tensor):
        self._native = native
        self._stream = stream
        device = stream.device
        self._scratch = torch.empty(native.scratch_bytes, dtype=torch.uint8, device=device)
        self._statuses = torch.zeros(native.tiles, dtype=torch.int32, device=device)
        staging = torch.empty(native.staging_bytes, dtype=torch.uint8, pin_memory=True)
        current = torch.cuda.current_stream(device)
        native.upload(self._scratch.data_ptr(), staging.data_ptr(), current.cuda_stream)
        current.synchronize()  # before the staging memory goes

    def decode(self) -> None:
        """Enqueues the decoding on the current stream."""
        current = torch.cuda.current_stream(self._stream.device)
        self._native.decode(self._scratch.data_ptr(), self._statuses.data_ptr(), current.cuda_stream)

    def check(self) -> None:
        """Waits for the decoding; raises CorruptError where a tile is damaged."""
        self._native.check(self._statuses.cpu().numpy().view("uint32"))


class CudaStreams:
    """The streams of a checkpoint and its codec, ready for one device.

    Attributes:
        exact: whether all weights have the bits of the CPU's decoder; otherwise F16 and BF16 may differ in the last.
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device):
        if not hasattr(_nwcodec, "Streams"):
            raise UnsupportedError(
                "this build of nwcodec has no CUDA kernels: install one with them, or load without nwcodec_resident"
            )
        index = device.index if device.index is not None else torch.cuda.current_device()
        self.device = torch.device("cuda", index)
        self._native = _nwcodec.Streams.open(str(checkpoint.directory), index)
        self.exact = self._native.exact

    def plan(self, tensor: Tensor, out: torch.Tensor) -> Plan:
        """Copies a stream to the device and checks it; `out`: bytes there, at least of the tensor's size."""
        with torch.cuda.device(self.device):
            size = self._native.stream_bytes(tensor.name)
            host = torch.empty((size + 3) // 4 * 4, dtype=torch.uint8)
            self._native.copy_stream(tensor.name, host[:size].numpy())
            stream = host.to(self.device)
            native = _nwcodec.ResidentTensor.plan(
                self._native, tensor.name, stream.data_ptr(), out.data_ptr(), tensor.dtype
            )
            return Plan(native, stream)

    def decode(self, tensor: Tensor) -> torch.Tensor:
        """A tensor of the original's dtype on the device."""
        out = torch.empty(tensor.shape, dtype=DTYPES[tensor.dtype], device=self.device)
        with torch.cuda.device(self.device):
            plan = self.plan(tensor, out)
            plan.decode()
            plan.check()
        return out
