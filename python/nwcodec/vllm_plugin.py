"""vLLM serves compressed checkpoints, decoded while they are loaded. An entry point of the package."""

from __future__ import annotations

import functools
from typing import Any

from nwcodec.serving import METHOD, CheckedLoad, show_decoded


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

    @register_quantization_config(METHOD)
    class NwcodecConfig(QuantizationConfig):
        """Layers are plain ones: their weights arrive decoded."""

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
            return UnquantizedLinearMethod() if isinstance(layer, LinearBase) else None

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
