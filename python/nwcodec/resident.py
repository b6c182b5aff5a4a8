"""Linear layers whose weights stay compressed in memory."""

from __future__ import annotations

from typing import Any

import torch

from nwcodec.checkpoint import Checkpoint, Tensor
from nwcodec.cuda_decoding import DTYPES, CudaStreams, Matrix, Plan, Sum
from nwcodec.errors import UnsupportedError

__all__ = ["RESIDENCES", "CompressedLinear", "Residence"]

# What a model is made of: plain weights; streams that are decoded for each product; the same, and few vectors are
# multiplied from the compressed bytes where the device can.
RESIDENCES = ("decoded", "compressed", "products")


class _OnCpu:
    """Streams in the checkpoint's mapped files, a buffer that all layers share."""

    def __init__(self, checkpoint: Checkpoint, largest: int):
        self._buffer = torch.empty(largest, dtype=torch.uint8)

    def weight(self, tensor: Tensor, dtype: torch.dtype) -> torch.Tensor:
        bytes_ = self._buffer[: tensor.size * dtype.itemsize]
        tensor.read_into(bytes_.numpy(), threads=torch.get_num_threads())
        return bytes_.view(dtype).view(tensor.shape)

    def product(self, tensor: Tensor, x: torch.Tensor) -> torch.Tensor | None:
        return None


class _OnCuda:
    """Tensors in the device's memory, as matrices for products or as streams, and buffers that all layers share;
    everything runs on the current stream."""

    def __init__(self, checkpoint: Checkpoint, largest: int, weights: int, device: torch.device):
        self._streams = CudaStreams(checkpoint, device)
        self._buffer = torch.empty(largest, dtype=torch.uint8, device=device)
        self._weights = weights
        self._sums: torch.Tensor | None = None  # of layers, where there are several
        self._workspace = torch.zeros(0, dtype=torch.uint8, device=device)
        self._kept: dict[str, Matrix | Plan | Sum] = {}

    def weight(self, tensor: Tensor, dtype: torch.dtype) -> torch.Tensor:
        with torch.cuda.device(self._streams.device):
            self._kept_of(tensor).decode()
        return self._buffer[: tensor.size * dtype.itemsize].view(dtype).view(tensor.shape)

    def product(self, tensor: Tensor, x: torch.Tensor) -> torch.Tensor | None:
        with torch.cuda.device(self._streams.device):
            kept = self._kept_of(tensor)
            if not isinstance(kept, Matrix) or not 0 < x.shape[0] <= kept.most_vectors:
                return None
            if self._workspace.numel() < kept.workspace_bytes:
                self._workspace = torch.zeros(kept.workspace_bytes, dtype=torch.uint8, device=self._streams.device)
            return kept.multiply(x.contiguous(), self._workspace).to(x.dtype)

    def _kept_of(self, tensor: Tensor) -> Matrix | Plan | Sum:
        kept = self._kept.get(tensor.name)
        if kept is None:
            kept = self._streams.matrix(tensor, self._buffer)
            if kept is None:
                kept = self._streams.plan(tensor, self._buffer, self._sums_of(tensor))
                kept.decode()
                kept.check()
            self._kept[tensor.name] = kept
        return kept

    def _sums_of(self, tensor: Tensor) -> torch.Tensor | None:
        if self._sums is None and self._streams.is_sum(tensor):
            self._sums = torch.empty(2, self._weights, device=self._streams.device)
        return self._sums


class Residence:
    """Where the compressed tensors of a checkpoint live, device by device; layers of a model share one.

    Args:
        products: whether product() multiplies from compressed bytes.

    Not for several threads at once: layers of a device share a buffer.
    """

    def __init__(self, checkpoint: Checkpoint, products: bool = False):
        self._checkpoint = checkpoint
        self._products = products
        self._largest = 0  # bytes of a tensor
        self._weights = 0  # of a tensor
        self._places: dict[torch.device, Any] = {}

    def add(self, tensor: Tensor) -> None:
        """Announces a tensor; before the first weight() of its device."""
        self._weights = max(self._weights, tensor.size)
        self._largest = max(self._largest, tensor.size * DTYPES[tensor.dtype].itemsize)

    def weight(self, tensor: Tensor, device: torch.device) -> torch.Tensor:
        """The weight, decoded to the original's dtype; valid until the next one of that device."""
        return self._place(device).weight(tensor, DTYPES[tensor.dtype])

    def product(self, tensor: Tensor, x: torch.Tensor) -> torch.Tensor | None:
        """x W^T of few vectors, [vectors, columns], without decoding W; None where the weight has to be decoded."""
        return self._place(x.device).product(tensor, x) if self._products else None

    def _place(self, device: torch.device) -> Any:
        if device not in self._places:
            if device.type == "cuda":
                self._places[device] = _OnCuda(self._checkpoint, self._largest, self._weights, device)
            elif device.type == "cpu":
                self._places[device] = _OnCpu(self._checkpoint, self._largest)
            else:
                raise UnsupportedError(f"compressed layers run on the CPU and on CUDA, not on {device}")
        return self._places[device]


class CompressedLinear(torch.nn.Module):
    """y = x W^T + b, forward only: few vectors from W's compressed bytes where the residence does so, otherwise W is
    decoded for each product.

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
        vectors = x.reshape(-1, self.in_features)
        y = self._residence.product(self._tensor, vectors)
        if y is None:
            weight = self._residence.weight(self._tensor, x.device)
            return torch.nn.functional.linear(x, weight.to(x.dtype), self.bias)
        if self.bias is not None:
            y += self.bias
        return y.view(*x.shape[:-1], self.out_features)
