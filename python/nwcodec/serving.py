"""What the plug-ins of vLLM and SGLang share."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from nwcodec import decoded_file
from nwcodec.checkpoint import Checkpoint
from nwcodec.claims import Claims
from nwcodec.errors import MismatchError, NotFoundError

METHOD = "nwcodec"


def plain_config(base: type, linear: type, method: type) -> type:
    """The engine's configuration of this method: layers are plain ones, since their weights arrive decoded.

    Args:
        base: the engine's QuantizationConfig.
        linear: its linear layers.
        method: what computes them without quantisation.
    """

    class NwcodecConfig(base):
        def get_name(self) -> str:
            return METHOD

        def get_supported_act_dtypes(self) -> list[torch.dtype]:
            return [torch.bfloat16, torch.float16, torch.float32]

        @classmethod
        def get_min_capability(cls) -> int:
            return 0

        @staticmethod
        def get_config_filenames() -> list[str]:
            return []

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> NwcodecConfig:
            return cls()

        def get_quant_method(self, layer: torch.nn.Module, prefix: str) -> Any:
            return method() if isinstance(layer, linear) else None

        def get_scaled_act_names(self) -> list[str]:  # SGLang's
            return []

    return NwcodecConfig


class _Safetensors:
    """The package safetensors with another `safe_open`."""

    def __init__(self, package: Any, safe_open: Any):
        self._package = package
        self.safe_open = safe_open

    def __getattr__(self, name: str) -> Any:
        return getattr(self._package, name)


def _open(directory: str) -> Checkpoint:
    """All layers that are there, a delta with the base that lies where it says."""
    try:
        checkpoint = Checkpoint(directory)
    except (NotFoundError, MismatchError) as error:
        if not any(decoded_file.is_difference(path) for path in Path(directory).glob("*.safetensors")):
            raise
        text = f"{error}. Engines cannot be told of a base: link it to where the delta expects it, or decompress first"
        raise type(error)(text, error.file, error.tensor, error.offset) from None
    for text in checkpoint.warnings:
        warnings.warn(f"{directory}: {text}", stacklevel=2)
    return checkpoint


def show_decoded(module: Any) -> None:
    """Makes a module that reads weights with `safe_open` see the original's tensors in compressed checkpoints.

    Args:
        module: has imported `safe_open`, or `safetensors`.
    """
    open_checkpoint = functools.lru_cache(maxsize=2)(_open)

    def checkpoint_of(filename: Any) -> dict[str, Any]:
        # A rank of tensor parallelism narrows what it is given: it shall decode no more than that.
        return {"checkpoint": open_checkpoint(str(Path(filename).parent)), "lazy": True}

    if hasattr(module, "safe_open"):
        module.safe_open = decoded_file.wrap_safe_open(module.safe_open, checkpoint_of)
        return
    package = module.safetensors
    module.safetensors = _Safetensors(package, decoded_file.wrap_safe_open(package.safe_open, checkpoint_of))


class CheckedLoad:
    """Weights on their way into a model: nothing may be lost, and nothing may be left out."""

    def __init__(self, model: torch.nn.Module, directory: str):
        self._model = model
        self._directory = directory
        self._claims = Claims()

    def watch(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in weights:
            # Vectors and buffers that an engine computes itself may be passed over.
            yield name, self._claims.watch(name, tensor) if tensor.dim() >= 2 else tensor

    def __enter__(self) -> CheckedLoad:
        self._claims.__enter__()
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        self._claims.__exit__(kind, *rest)
        if kind is None:
            self._claims.check(self._model.named_parameters(), self._directory)
