"""Compressed checkpoints in transformers.

Importing this module teaches transformers the quantisation method `nwcodec`; without it, transformers takes the streams
for tensors that it does not know and initialises the model at random.

    import nwcodec.hf
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained("SMALL")                                     # decoded at load
    model = AutoModelForCausalLM.from_pretrained("SMALL", nwcodec_resident="compressed")      # kept compressed

    model = AutoModelForCausalLM.from_pretrained("PROGRESSIVE", nwcodec_layers=1)                     # its base alone
    model = AutoModelForCausalLM.from_pretrained("DELTA", nwcodec_base="BASE")      # if it is not where the delta says

A decoded model is a plain one, `save_pretrained` included. In a compressed one the linear layers hold their streams and
decode them into a buffer that all layers of a device share, each time they multiply: forward only. With
`nwcodec_resident="products"` few vectors are multiplied from the compressed bytes instead, on a GPU, where the codec
has a trellis of 8 states: faster, and as exact as activations of 11 bits.

Of a progressive checkpoint all layers are read that are there, or the first `nwcodec_layers`. A delta is read together
with its base, which is named by `nwcodec_base` (a directory, or a model of a hub) or lies where the delta says, and is
tied to it by a hash.

Every compressed tensor must find its place and every parameter its tensor; otherwise loading fails with
`nwcodec.errors.MismatchError`, as it does for a base or a layer of another checkpoint; `NotFoundError` stands for one
that is missing, `CorruptError` for a damaged one. Their texts say what to do.
"""

from __future__ import annotations

import contextvars
import functools
import os
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from transformers import PreTrainedModel
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from nwcodec import _nwcodec, decoded_file
from nwcodec.checkpoint import Checkpoint
from nwcodec.cuda_decoding import CudaStreams
from nwcodec.errors import InvalidArgumentError, MismatchError, NotFoundError, argument_prefix
from nwcodec.resident import RESIDENCES, CompressedLinear, Residence

__all__ = ["NwcodecConfig", "NwcodecQuantizer"]

METHOD = "nwcodec"


@dataclass
class _Request:
    """What `from_pretrained` was asked for, and the compressed checkpoints that it has opened so far."""

    resident: str = "decoded"
    layers: int | None = None
    base: str | os.PathLike | None = None
    hub: dict[str, Any] = field(default_factory=dict)  # how to ask it
    opened: dict[Path, _Loading] = field(default_factory=dict)

    def check(self) -> None:
        if self.resident not in RESIDENCES:
            raise InvalidArgumentError(f"nwcodec_resident is one of {', '.join(RESIDENCES)}, not {self.resident!r}")
        if self.layers is not None and (type(self.layers) is not int or self.layers < 1):
            raise InvalidArgumentError(f"nwcodec_layers is a number of layers, from 1 on, not {self.layers!r}")
        if self.base is not None and not isinstance(self.base, (str, os.PathLike)):
            raise InvalidArgumentError(f"nwcodec_base is the directory of a delta's base, not {self.base!r}")

    def open(self, directory: Path) -> _Loading:
        key = directory.resolve()
        if key not in self.opened:
            self.opened[key] = _Loading(Checkpoint(directory, layers=self.layers, base=self._base_here()))
            for text in self.opened[key].checkpoint.warnings:
                warnings.warn(f"{directory}: {text}", stacklevel=2)
        return self.opened[key]

    def _base_here(self) -> str | os.PathLike | None:
        """The base's directory, from a hub where it is none of this machine and its name is that of a model there."""
        if self.base is None or Path(self.base).is_dir() or not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", str(self.base)):
            return self.base
        try:
            files = ["config.json", "*.safetensors", "*.safetensors.index.json"]
            return snapshot_download(str(self.base), allow_patterns=files, **self.hub)
        except (OSError, ValueError) as error:
            raise NotFoundError(
                f"{self.base}: the delta's base is neither a directory nor to be had from a hub ({error}); name a "
                "directory with nwcodec_base=DIRECTORY",
                str(self.base),
            ) from error

    def check_taken(self) -> None:
        """When all is loaded: choices that concern nothing are mistakes."""
        if not self.opened and (self.layers, self.base) != (None, None):
            raise InvalidArgumentError(
                "nwcodec_layers and nwcodec_base are for compressed checkpoints, and this one is plain: leave them out"
            )


_REQUEST: contextvars.ContextVar[_Request | None] = contextvars.ContextVar("nwcodec_request", default=None)


class _Loading:
    """A checkpoint directory while transformers loads it."""

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self.read: set[str] = set()
        self.resident: set[str] = set()  # that modules hold as they are
        self.streams: CudaStreams | None = None

    def decode_on(self, device_map: Any) -> None:
        """Decodes on the one CUDA device that the model goes to, if that gives the CPU's bits."""
        devices = set(device_map.values()) if isinstance(device_map, dict) else {device_map}
        if len(devices) != 1 or not hasattr(_nwcodec, "Streams"):
            return
        (device,) = devices
        if isinstance(device, int):
            device = f"cuda:{device}"
        if device is None or not str(device).startswith("cuda"):
            return
        streams = CudaStreams(self.checkpoint, torch.device(device))
        self.streams = streams if streams.exact else None


def _fetch_rest(model: PreTrainedModel, files: list[str], hub: dict[str, Any]) -> None:
    """From the hub transformers fetches the shards alone: codec and refinements follow, of the same revision."""
    if not files or Path(model.name_or_path).is_dir():
        return
    folder = Path(files[0]).parent
    cached = next((p for p in (folder, *folder.parents) if p.parent.name == "snapshots"), None)
    if cached is None or not cached.parent.parent.name.startswith("models--"):
        return
    inside = "" if folder == cached else f"{folder.relative_to(cached).as_posix()}/"
    snapshot_download(
        cached.parent.parent.name.removeprefix("models--").replace("--", "/"),
        revision=cached.name,
        cache_dir=cached.parents[2],
        allow_patterns=[inside + decoded_file.CODEC, inside + "refinement-*/*"],
        **hub,
    )


def _loading_of(filename: Any) -> dict[str, Any]:
    directory = Path(filename).parent
    loading = (_REQUEST.get() or _Request()).open(directory)
    return {
        "checkpoint": loading.checkpoint,
        "read": loading.read,
        "hidden": loading.resident,
        "streams": loading.streams,
    }


def _wrap_from_pretrained() -> None:
    original = PreTrainedModel.from_pretrained.__func__

    @functools.wraps(original)
    def from_pretrained(
        cls: type,
        *args: Any,
        nwcodec_resident: str = "decoded",
        nwcodec_layers: int | None = None,
        nwcodec_base: str | os.PathLike | None = None,
        **kwargs: Any,
    ) -> Any:
        hub = {key: kwargs[key] for key in ("token", "local_files_only") if key in kwargs}
        request = _Request(nwcodec_resident, nwcodec_layers, nwcodec_base, hub)
        request.check()
        before = _REQUEST.set(request)
        spelt = argument_prefix.set("nwcodec_" if argument_prefix.get() is not None else None)
        try:
            model = original(cls, *args, **kwargs)
        finally:
            argument_prefix.reset(spelt)
            _REQUEST.reset(before)
        request.check_taken()
        return model

    PreTrainedModel.from_pretrained = classmethod(from_pretrained)


@register_quantization_config(METHOD)
class NwcodecConfig(QuantizationConfigMixin):
    """`quantization_config` of a compressed checkpoint (docs/format.md, section 2)."""

    def __init__(self, format_version: int = 1, codec_id: str = "", **other: Any):
        self.quant_method = METHOD
        self.format_version = format_version
        self.codec_id = codec_id
        self.measured = other.get("measured")


@register_quantizer(METHOD)
class NwcodecQuantizer(HfQuantizer):
    """What transformers calls before and after it loads weights."""

    requires_calibration = True

    def __init__(self, quantization_config: NwcodecConfig, **kwargs: Any):
        super().__init__(quantization_config, **kwargs)
        self._request = _REQUEST.get() or _Request()
        self._resident = self._request.resident != "decoded"
        self._directory: Path | None = None
        self._loading: _Loading | None = None

    def is_serializable(self, *_: Any, **__: Any) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return not self._resident

    def _process_model_before_weight_loading(self, model: PreTrainedModel, **kwargs: Any) -> PreTrainedModel:
        files = kwargs.get("checkpoint_files") or []
        _fetch_rest(model, files, self._request.hub)
        compressed = [f for f in files if decoded_file.is_compressed(f)]
        if not compressed:
            where = str(Path(files[0]).parent) if files else "the checkpoint"
            raise MismatchError(
                f"{where}: config.json says that the checkpoint is compressed, but codec.safetensors or the streams "
                "are missing beside it; fetch the whole directory",
                where,
            )
        self._directory = Path(compressed[0]).parent.resolve()
        # What was opened to choose a dtype knows nothing of what has been fetched since.
        self._request.opened.pop(self._directory, None)
        self._loading = self._request.open(Path(compressed[0]).parent)
        if self._resident:
            self._make_resident(model, self._loading)
        else:
            self._loading.decode_on(kwargs.get("device_map"))
        self._refuse_missing(model)
        return model

    def _make_resident(self, model: PreTrainedModel, loading: _Loading) -> None:
        residence = Residence(loading.checkpoint, products=self._request.resident == "products")
        tied = set(getattr(model, "all_tied_weights_keys", None) or {})
        for name, module in list(model.named_modules()):
            if type(module).__name__ != "Linear" or f"{name}.weight" in tied:
                continue
            stored = loading.checkpoint.of_parameter(f"{name}.weight", module.weight.shape, model.base_model_prefix)
            if stored is not None and stored.compressed and stored.name not in loading.resident:
                model.set_submodule(name, CompressedLinear(residence, stored, module.bias))
                loading.resident.add(stored.name)

    def _refuse_missing(self, model: PreTrainedModel) -> None:
        adjust = getattr(model, "_adjust_missing_and_unexpected_keys", None)
        if adjust is None:
            return

        def adjust_and_refuse(info: Any, *args: Any, **kwargs: Any) -> Any:
            result = adjust(info, *args, **kwargs)
            missing = sorted(getattr(info, "missing_keys", ()))
            if missing:
                raise MismatchError(
                    f"{self._directory}: no tensor for {_some(missing)}: the checkpoint is incomplete, or of another "
                    "model; fetch it again",
                    str(self._directory),
                    missing[0],
                )
            return result

        model._adjust_missing_and_unexpected_keys = adjust_and_refuse

    def _finish(self, model: PreTrainedModel) -> None:
        model.__dict__.pop("_adjust_missing_and_unexpected_keys", None)
        loading = self._loading
        self._request = self._loading = None
        ignored = [re.compile(p) for p in getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()]
        tied = set(getattr(model, "all_tied_weights_keys", None) or {})
        unclaimed = [
            name
            for name, tensor in loading.checkpoint.items()
            if tensor.compressed
            and name not in loading.read | loading.resident | tied
            and not any(p.search(name) for p in ignored)
        ]
        if unclaimed:
            raise MismatchError(
                f"{self._directory}: no module of {type(model).__name__} takes {_some(unclaimed)}: the checkpoint is "
                "of another model",
                str(self._directory),
                unclaimed[0],
            )

    def postprocess_model(self, model: PreTrainedModel, **kwargs: Any) -> PreTrainedModel:
        self._finish(model)
        if self._resident:
            model.config.quantization_config = self.quantization_config
            return model
        # A plain model from here on.
        for owner, attribute in (
            (model, "hf_quantizer"),
            (model, "quantization_method"),
            (model.config, "quantization_config"),
        ):
            if attribute in owner.__dict__:
                delattr(owner, attribute)
        model.is_quantized = False
        return model


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


transformers.modeling_utils.safe_open = decoded_file.wrap_safe_open(transformers.modeling_utils.safe_open, _loading_of)
_wrap_from_pretrained()
