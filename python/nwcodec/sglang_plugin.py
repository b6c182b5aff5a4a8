"""SGLang serves compressed checkpoints, decoded while they are loaded. An entry point of the package."""

from __future__ import annotations

import functools
from typing import Any

from nwcodec.serving import METHOD, CheckedLoad, plain_config, show_decoded


def register() -> None:
    """What SGLang calls in each of its processes before it looks at a model."""
    import torch
    from sglang.srt.layers import quantization
    from sglang.srt.layers.linear import LinearBase
    from sglang.srt.layers.quantization.base_config import QuantizationConfig
    from sglang.srt.layers.quantization.unquant import UnquantizedLinearMethod
    from sglang.srt.model_loader import weight_utils
    from sglang.srt.model_loader.loader import DefaultModelLoader

    if METHOD in quantization.QUANTIZATION_METHODS:
        return

    config = plain_config(QuantizationConfig, LinearBase, UnquantizedLinearMethod)
    # It has no function for that.
    for methods in ("QUANTIZATION_METHODS", "BASE_QUANTIZATION_METHODS"):
        getattr(quantization, methods, {})[METHOD] = config

    show_decoded(weight_utils)
    load = DefaultModelLoader.load_weights_and_postprocess

    @functools.wraps(load)
    def load_checked(model: torch.nn.Module, weights: Any, target_device: Any, *rest: Any, **options: Any) -> Any:
        if not isinstance(getattr(model, "quant_config", None), config):
            return load(model, weights, target_device, *rest, **options)
        checked = CheckedLoad(model, "the checkpoint")
        original = model.load_weights

        # The layers' own work behind the loading is none of the check's business.
        def load_weights(some: Any, *more: Any, **others: Any) -> Any:
            with checked:
                return original(checked.watch(some), *more, **others)

        model.load_weights = load_weights
        try:
            return load(model, weights, target_device, *rest, **options)
        finally:
            del model.load_weights

    DefaultModelLoader.load_weights_and_postprocess = staticmethod(load_checked)
