"""vLLM serves compressed checkpoints, decoded while they are loaded. An entry point of the package."""

from __future__ import annotations

import functools
from typing import Any

from nwcodec.serving import METHOD, CheckedLoad, plain_config, show_decoded


def register() -> None:
    """What vLLM calls in each of its processes before it looks at a model."""
    import torch
    from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
    from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS, register_quantization_config
    from vllm.model_executor.layers.quantization.base_config import QuantizationConfig
    from vllm.model_executor.model_loader import weight_utils
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    if METHOD in QUANTIZATION_METHODS:
        return

    register_quantization_config(METHOD)(plain_config(QuantizationConfig, LinearBase, UnquantizedLinearMethod))

    show_decoded(weight_utils)
    load_weights = DefaultModelLoader.load_weights

    @functools.wraps(load_weights)
    def load_checked(self: Any, model: torch.nn.Module, model_config: Any) -> Any:
        if getattr(model_config, "quantization", None) != METHOD:
            return load_weights(self, model, model_config)
        checked = CheckedLoad(model, str(model_config.model))
        original = model.load_weights
        model.load_weights = lambda weights: original(checked.watch(weights))
        try:
            with checked:
                return load_weights(self, model, model_config)
        finally:
            del model.load_weights

    DefaultModelLoader.load_weights = load_checked
