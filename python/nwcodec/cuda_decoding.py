"""Compressed tensors decoded on a CUDA device, into PyTorch's memory and on its streams."""

from __future__ import annotations

from typing import Any

import torch

from nwcodec import _nwcodec
from nwcodec.checkpoint import Checkpoint, Tensor
from nwcodec.errors import UnsupportedError

__all__ = ["CudaStreams", "Matrix", "Plan", "Sum", "DTYPES"]

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Plan:
    """A tensor, or a layer of one, whose stream lies in the device's memory: decoded again and again to the same place.

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


class Matrix:
    """A tensor in the device's memory in the layout made for products, instead of its stream: decoded again and again
    to the same place, or multiplied.

    Args:
        native: the library's matrix.
        tensor: whose it is.
        out: bytes of the device, where it is decoded to in the tensor's dtype.

    Attributes:
        most_vectors: that multiply() takes. More are faster by decode() and PyTorch's product.
    """

    most_vectors = 8

    def __init__(self, native: Any, tensor: Tensor, out: torch.Tensor):
        self._native = native
        self._dtype = tensor.dtype
        self._rows = tensor.shape[0]
        self._out = out
        self.workspace_bytes = native.workspace_bytes

    def decode(self) -> None:
        """Enqueues the decoding on the current stream."""
        stream = torch.cuda.current_stream(self._out.device).cuda_stream
        self._native.decode(self._out.data_ptr(), self._dtype, stream)

    def multiply(self, x: torch.Tensor, workspace: torch.Tensor) -> torch.Tensor:
        """Enqueues x W^T in float32.

        Args:
            x: [vectors, columns], contiguous, float32, float16 or bfloat16, on the device.
            workspace: workspace_bytes bytes there, 0 before the first product.
        """
        y = torch.empty(x.shape[0], self._rows, dtype=torch.float32, device=x.device)
        stream = torch.cuda.current_stream(x.device).cuda_stream
        self._native.multiply(x.data_ptr(), NAMES[x.dtype], y.data_ptr(), x.shape[0], workspace.data_ptr(), stream)
        return y


class Sum:
    """A tensor of several layers, whose streams lie in the device's memory: decoded and summed again and again, with
    the CPU's bits.

    Args:
        first: the lowest layer: a plan, or its weights where they are not compressed.
        differences: plans of the others, bottom up.
        total, layer: where plans decode to, that of `first` and the others; F32, of the tensor's shape.
        out: where the sum goes.
    """

    def __init__(
        self,
        first: Plan | torch.Tensor,
        differences: list[Plan],
        total: torch.Tensor,
        layer: torch.Tensor,
        out: torch.Tensor,
    ):
        self._first, self._differences = first, differences
        self._total, self._layer, self._out = total, layer, out

    def decode(self) -> None:
        """Enqueues the decoding on the current stream."""
        if isinstance(self._first, Plan):
            self._first.decode()
        else:
            self._total.copy_(self._first)
        for plan in self._differences:
            plan.decode()
            self._total += self._layer
        largest = torch.finfo(self._out.dtype).max
        self._out.copy_(self._total.clamp_(-largest, largest))

    def check(self) -> None:
        """Waits for the decoding; raises CorruptError where a tile is damaged."""
        for plan in (self._first, *self._differences):
            if isinstance(plan, Plan):
                plan.check()


class CudaStreams:
    """The streams of a checkpoint and its codecs, ready for one device.

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
        base = "" if checkpoint.base is None else str(checkpoint.base)
        self._native = _nwcodec.Streams.open(str(checkpoint.directory), index, checkpoint.layers or 0, base)
        self.exact = self._native.exact

    def is_sum(self, tensor: Tensor) -> bool:
        """Whether several layers make it together."""
        return self._native.parts(tensor.name) > 1

    def plan(self, tensor: Tensor, out: torch.Tensor, sums: torch.Tensor | None = None) -> Plan | Sum:
        """Copies what stores a tensor to the device and checks it.

        Args:
            out: bytes there, at least of the tensor's size.
            sums: for a tensor that is a sum, two rows of F32 there, each at least of its number of weights.
        """
        with torch.cuda.device(self.device):
            parts = self._native.parts(tensor.name)
            if parts == 1:
                return self._plan_part(tensor, 0, out, tensor.dtype)
            total, layer = (row[: tensor.size].view(tensor.shape) for row in sums)
            first = self._plan_part(tensor, 0, total, "F32")
            differences = [self._plan_part(tensor, part, layer, "F32") for part in range(1, parts)]
            dtype = DTYPES[tensor.dtype]
            whole = out[: tensor.size * dtype.itemsize].view(dtype).view(tensor.shape)
            return Sum(first, differences, total, layer, whole)

    def matrix(self, tensor: Tensor, out: torch.Tensor) -> Matrix | None:
        """The tensor in the layout for products, `out` as in plan(); None where there is none for it, so that it wants
        a plan."""
        if self._native.parts(tensor.name) > 1 or len(tensor.shape) != 2:
            return None
        with torch.cuda.device(self.device):
            stored = self._stored(tensor, 0)
            stream = torch.cuda.current_stream(self.device).cuda_stream
            try:
                native = _nwcodec.ResidentMatrix.make(self._native, tensor.name, stored.data_ptr(), stream)
            except UnsupportedError:
                return None
            return Matrix(native, tensor, out)

    def _stored(self, tensor: Tensor, part: int) -> torch.Tensor:
        size = self._native.part_bytes(tensor.name, part)
        host = torch.empty((size + 3) // 4 * 4, dtype=torch.uint8)
        self._native.copy_part(tensor.name, part, host[:size].numpy())
        return host.to(self.device)

    def _plan_part(self, tensor: Tensor, part: int, out: torch.Tensor, dtype: str) -> Plan | torch.Tensor:
        stored = self._stored(tensor, part)
        plain = self._native.plain_dtype(tensor.name, part)
        if plain:
            return stored[: self._native.part_bytes(tensor.name, part)].view(DTYPES[plain]).view(tensor.shape)
        native = _nwcodec.ResidentTensor.plan(self._native, tensor.name, part, stored.data_ptr(), out.data_ptr(), dtype)
        return Plan(native, stored)

    def decode(self, tensor: Tensor) -> torch.Tensor:
        """A tensor of the original's dtype on the device."""
        out = torch.empty(tensor.shape, dtype=DTYPES[tensor.dtype], device=self.device)
        sums = torch.empty(2, tensor.size, device=self.device) if self.is_sum(tensor) else None
        with torch.cuda.device(self.device):
            plan = self.plan(tensor, out.view(-1).view(torch.uint8), sums)
            plan.decode()
            plan.check()
        return out
