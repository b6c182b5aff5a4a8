"""Writes expected.json: what transformers' configuration classes and models make of the keys of config.json.

    python make_expected.py            # all families
    python make_expected.py qwen3 phi3  # these; what expected.json says of others stays

Needs transformers (5.24) and torch. For each family: the fields of its class with their defaults, the second names of
keys, what null does to each key, and cases: configurations with what a small random model built from them has. A new
family is a line of FAMILIES (and of PARTS for configurations inside a configuration), with the keys that make it small.
"""
import copy, dataclasses, json, os, pathlib, sys

if os.environ.get("PYTHONHASHSEED") != "0":  # messages of transformers list sets
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
os.environ.update(TRANSFORMERS_VERBOSITY="critical", HF_HUB_OFFLINE="1")
import torch
import transformers
from transformers import AutoModel, AutoModelForCausalLM, CONFIG_MAPPING, PretrainedConfig

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent

SMALL = dict(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=256, pad_token_id=None, bos_token_id=None,
             eos_token_id=None)
MIXTURE = dict(num_local_experts=4, num_experts_per_tok=2)
LATENT = {**SMALL, "num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": 8, "qk_nope_head_dim": 4,
          "qk_rope_head_dim": 8, "v_head_dim": 6, "n_routed_experts": 4, "num_experts_per_tok": 2,
          "moe_intermediate_size": 16, "first_k_dense_replace": 1}
SMALL_TOWER = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4)

LENGTH = 40  # tokens that language models run on; longer than some windows

# model_type: the keys that make a model of it small.
FAMILIES = {
    "llama": SMALL,
    "mistral": {**SMALL, "head_dim": 8},
    "ministral": {**SMALL, "head_dim": 8},
    "mixtral": {**SMALL, **MIXTURE},
    "qwen2": SMALL,
    "qwen3": {**SMALL, "head_dim": 8},
    "qwen3_moe": {**SMALL, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "gpt_oss": {**SMALL, **MIXTURE, "head_dim": 8},
    "gemma2": {**SMALL, "head_dim": 8},
    "phi3": SMALL,
    "olmo2": SMALL,
    "olmo3": SMALL,
    "smollm3": SMALL,
    "granite": SMALL,
    "glm": {**SMALL, "head_dim": 8},
    "glm4": {**SMALL, "head_dim": 8},
    "starcoder2": SMALL,
    "deepseek_v2": {**LATENT, "n_group": None, "topk_group": None},
    "deepseek_v3": {**LATENT, "n_group": 2, "topk_group": 1},
    "gemma3_text": {**SMALL, "head_dim": 8, "sliding_window_pattern": 2},
    "clip_text_model": {**SMALL_TOWER, "vocab_size": 64, "eos_token_id": 3},
    "clip_vision_model": {**SMALL_TOWER, "image_size": 32, "patch_size": 16},
    "siglip_text_model": {**SMALL_TOWER, "vocab_size": 64},
    "siglip_vision_model": {**SMALL_TOWER, "image_size": 32, "patch_size": 16},
    "dinov2": {k: v for k, v in SMALL_TOWER.items() if k != "intermediate_size"} | {"image_size": 28, "patch_size": 14},
    "clip": {"text_config": {**SMALL_TOWER, "vocab_size": 64},
             "vision_config": {**SMALL_TOWER, "image_size": 32, "patch_size": 16}},
    "siglip": {"text_config": {**SMALL_TOWER, "vocab_size": 64},
               "vision_config": {**SMALL_TOWER, "image_size": 32, "patch_size": 16}},
    "gemma3": {"text_config": {**SMALL, "head_dim": 8, "sliding_window_pattern": 2},
               "vision_config": {**SMALL_TOWER, "image_size": 32, "patch_size": 16}, "image_token_index": 63},
}
TOWERS = {"siglip_text_model": transformers.SiglipTextModel}  # which AutoModel does not know
ENCODERS = {"clip", "siglip", "dinov2"} | {f for f in FAMILIES if f.endswith("_model")}

LINEAR = {"rope_type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.5, 2.0, 3.0, 4.0]}
FULL, SLIDING = "full_attention", "sliding_attention"
# What every language model may say beside its small keys. A value of DROP takes the key away.
DROP = "(drop)"
CASES = [
    {},
    *({key: DROP} for key in SMALL if not key.endswith("_token_id")),
    {"head_dim": DROP}, {"head_dim": 16}, {"num_key_value_heads": 4}, {"num_key_value_heads": None}, {"head_dim": None},
    {"tie_word_embeddings": True}, {"tie_word_embeddings": False}, {"attention_bias": True}, {"mlp_bias": True},
    {"hidden_act": "gelu_new"}, {"hidden_act": "gelu"}, {"hidden_activation": "silu"},
    {"rms_norm_eps": 1e-3},
    {"num_experts": 3}, {"num_local_experts": 3}, {"num_experts": 3, "num_local_experts": 4},
    {"num_experts_per_tok": DROP}, {"norm_topk_prob": True}, {"moe_intermediate_size": DROP},
    {"decoder_sparse_step": 2}, {"mlp_only_layers": [1]}, {"mlp_only_layers": None},
    # Windows.
    {"sliding_window": 16}, {"sliding_window": None}, {"use_sliding_window": True},
    {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2},
    {"use_sliding_window": True, "sliding_window": None},
    {"use_sliding_window": True, "sliding_window": 16, "layer_types": [SLIDING, FULL, FULL, SLIDING]},
    {"use_sliding_window": False, "sliding_window": 16, "layer_types": [SLIDING, FULL, FULL, SLIDING]},
    {"sliding_window": 16, "layer_types": ["attention", SLIDING, FULL, SLIDING]},
    {"layer_types": [FULL] * 4}, {"layer_types": [FULL]}, {"layer_types": ["chunked_attention"] * 4},
    {"sliding_window_pattern": 3}, {"_sliding_window_pattern": 3}, {"sliding_window_pattern": DROP},
    {"sliding_window_pattern": 3, "layer_types": [SLIDING, SLIDING, SLIDING, FULL]},
    # Rotary embedding.
    {"rope_theta": 5000.0}, {"rope_theta": 5000}, {"rope_theta": None},
    {"rope_theta": None, "rope_parameters": {"rope_theta": 7.0}},
    {"rope_parameters": None}, {"rope_parameters": {}}, {"rope_scaling": None}, {"rope_scaling": {}},
    {"rope_parameters": {"rope_theta": 7.0}, "rope_theta": 9.0},
    {"rope_parameters": LINEAR}, {"rope_parameters": {"type": "linear", "factor": 4.0}},
    {"rope_parameters": {"type": "linear", "rope_type": "default", "factor": 4.0}},
    {"rope_parameters": {"rope_type": None}}, {"rope_parameters": {"rope_theta": None}},
    {"rope_parameters": {"rope_type": "linear"}}, {"rope_parameters": {**LINEAR, "factor": None}},
    {"rope_scaling": LINEAR}, {"rope_scaling": {"type": "linear", "factor": 4.0}},
    {"rope_scaling": {**LINEAR, "factor": 4}},
    {"rope_scaling": {"type": "linear", "factor": 4.0}, "rope_theta": 5000.0},
    {"rope_scaling": LINEAR, "rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}},
    {"rope_scaling": LINEAR, "rope_parameters": {"rope_theta": 7.0, "rope_type": "default"}, "rope_theta": 9.0},
    {"rope_scaling": {**LINEAR, "rope_theta": 11.0}, "rope_theta": 9.0},
    {"rope_scaling": {"rope_type": "default"}}, {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
    {"rope_scaling": {"type": "dynamic"}}, {"rope_scaling": "linear"}, {"rope_scaling": False},
    {"rope_scaling": LLAMA3}, {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 64}},
    {"rope_parameters": {**LLAMA3, "original_max_position_embeddings": 64, "rope_theta": 5000.0}},
    {"rope_scaling": YARN}, {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
    {"rope_scaling": {**YARN, "factor": None}},
    {"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 64}},
    {"rope_scaling": {**YARN, "beta_fast": None, "beta_slow": 0, "truncate": None}},
    {"rope_scaling": {**YARN, "attention_factor": None, "mscale": 0.5, "mscale_all_dim": 0.7}},
    {"rope_scaling": YARN, "original_max_position_embeddings": 32},
    {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 64}, "original_max_position_embeddings": 32},
    {"rope_scaling": {"rope_type": "made_up", "factor": 2.0}},
    {"partial_rotary_factor": 0.5}, {"partial_rotary_factor": 0.5, "rope_scaling": LINEAR},
    {"partial_rotary_factor": 1.0, "rope_scaling": LINEAR}, {"partial_rotary_factor": None},
    {"rope_local_base_freq": 500.0, "rope_theta": 5000.0},
    {"rope_parameters": {FULL: {**LINEAR, "rope_theta": 7.0}, SLIDING: {"rope_theta": 8.0}}},
    {"rope_parameters": {FULL: {"type": "linear", "factor": 2.0}, SLIDING: None}},
    {"rope_parameters": {FULL: {**YARN, "truncate": False}, SLIDING: {"rope_theta": 8.0}}},
    {"rope_parameters": {FULL: {"rope_theta": 7.0}, SLIDING: {}}, "rope_scaling": LINEAR},
    # What else transformers honours.
    {"is_causal": False}, {"is_causal": None}, {"is_causal": True}, {"query_pre_attn_scalar": 64},
    {"query_pre_attn_scalar": DROP}, {"final_logit_softcapping": 5.0}, {"attn_logit_softcapping": 5.0},
    {"final_logit_softcapping": None, "attn_logit_softcapping": None}, {"use_bias": False},
    {"no_rope_layers": [1, 0, 0, 1]}, {"no_rope_layer_interval": 2}, {"no_rope_layers": None},
    {"embedding_multiplier": 2, "logits_scaling": 3.0, "residual_multiplier": 0.5, "attention_multiplier": 0.25},
    {"norm_epsilon": 1e-3}, {"original_max_position_embeddings": 64}, {"rope_scaling": LONG},
    {"rope_scaling": {**LONG, "rope_type": "su"}, "original_max_position_embeddings": 64},
    {"rope_scaling": {**LONG, "factor": 3.0, "attention_factor": 1.25}},
    {"rope_parameters": {**LONG, "original_max_position_embeddings": 64}},
    {"n_group": 1, "topk_group": 1}, {"first_k_dense_replace": 0}, {"q_lora_rank": None}, {"norm_topk_prob": False},
    {"routed_scaling_factor": 1.5}, {"n_shared_experts": 2}, {"num_experts_per_tok": None},
    {"rope_scaling": {**YARN, "mscale": 0.5, "mscale_all_dim": 0.7}}, {"rope_interleave": False},
    {"swiglu_limit": 3.0}, {"swiglu_alpha": 1.0}, {"dtype": "float16"},
    {"torch_dtype": "bfloat16"}, {"per_layer_config": {}}, {"use_cache": False}, {"rms_norm_eps": 1},
    {"num_hidden_layers": 4.0},
]


def json_able(value):
    """The value as JSON holds it, or None for what JSON cannot hold."""
    if isinstance(value, PretrainedConfig):
        return None
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return None


def class_of(family, config):
    """As AutoConfig chooses it: a Mistral with layer types is a Ministral."""
    return CONFIG_MAPPING["ministral" if family == "mistral" and "layer_types" in config else family]


def build(family, config):
    """A model as AutoModel builds it: a large one on no device, a small one runs. Raises what transformers raises."""
    model_class = TOWERS.get(family, AutoModel if family in ENCODERS else AutoModelForCausalLM)
    config = class_of(family, config).from_dict(copy.deepcopy(config))
    config._attn_implementation = "eager"
    with torch.device("cpu" if is_small(config) else "meta"):
        model = created(model_class, config).eval()
    if is_small(config):
        with torch.no_grad():
            output = model(**inputs_of(family, config), output_attentions=True)
        model.seen = [int((a[0, 0, -1] > 0).sum()) for a in getattr(output, "attentions", None) or ()]
    return config, model


def is_small(config):
    parts = [getattr(config, name, None) for name in ("text_config", "vision_config")]
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_local_experts", "n_routed_experts", "moe_intermediate_size", "head_dim", "kv_lora_rank")
    return all((getattr(part, name, None) or 0) <= 64 for part in [config, *parts] if part for name in sizes)


def created(model_class, config):
    create = getattr(model_class, "from_config", None) or model_class._from_config
    return create(copy.deepcopy(config))


def length_of(family):
    return 6 if family in ENCODERS else LENGTH


def inputs_of(family, config):
    vision = config if hasattr(config, "image_size") else getattr(config, "vision_config", None)
    images = family in ENCODERS and vision is not None
    inputs = {"pixel_values": torch.zeros(1, 3, vision.image_size, vision.image_size)} if images else {}
    text = getattr(config, "text_config", config)
    return {**inputs, "input_ids": torch.arange(length_of(family))[None]} if hasattr(text, "vocab_size") else inputs


def changed(small, change):
    """The keys of `change` set or taken away, those of the inner configuration inside it."""
    config = copy.deepcopy(small)
    for key, value in change.items():
        if key == "text_config":
            config[key] = changed(config[key], value)
        elif value == DROP:
            config.pop(key, None)
        else:
            config[key] = value
    return config


def head_dim_of(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def width_of(mlp):
    if hasattr(mlp, "gate_up_proj"):
        return mlp.gate_up_proj.weight.shape[0] // 2
    return getattr(mlp, "gate_proj", getattr(mlp, "c_fc", None)).weight.shape[0]


def windows_of(model, stated):
    """What the last token saw, where that is not all; beyond it, what the module states."""
    seen = getattr(model, "seen", None) or [LENGTH] * len(stated)
    return [n if n < LENGTH else w if w is not None and w >= LENGTH else None for n, w in zip(seen, stated)]


def values_of(config, model):
    """What a language model has, from its modules where they say it."""
    text = config.get_text_config()
    layers = [m for m in model.modules()
              if hasattr(m, "self_attn") and hasattr(m, "mlp") and not hasattr(m, "layer_norm1")]
    first, embedding = layers[0].self_attn, model.get_input_embeddings().weight
    query = next(getattr(first, n) for n in ("q_proj", "qkv_proj", "q_a_proj") if getattr(first, n, None) is not None)
    # Only families that have it know one window for all layers; others ignore the key.
    own = {f.name for f in dataclasses.fields(type(text))}
    common = text.sliding_window if "sliding_window" in own else None
    values = {
        "vocab_size": embedding.shape[0], "hidden_size": embedding.shape[1],
        "blocks": len(layers), "heads": text.num_attention_heads, "kv_heads": text.num_key_value_heads,
        "head_dim": getattr(first, "qk_head_dim", None) or head_dim_of(text), "positions": text.max_position_embeddings,
        "eps": text.norm_epsilon if "norm_epsilon" in own else text.rms_norm_eps,
        "scaling": first.scaling, "tied": bool(model.all_tied_weights_keys),
        "qkv_bias": query.bias is not None, "o_bias": first.o_proj.bias is not None,
        "turns": [bool(getattr(layer.self_attn, "use_rope", True)) for layer in layers],
        "score_cap": getattr(first, "attn_logit_softcapping", None) if text.model_type == "gemma2" else None,
        "logit_cap": text.final_logit_softcapping if "final_logit_softcapping" in own else None,
        "windows": windows_of(model, [getattr(layer.self_attn, "sliding_window", common) for layer in layers]),
        "rope": json_able(text.rope_parameters),
    }
    moe, dense = [], []
    for layer in layers:
        experts = getattr(layer.mlp, "experts", None)
        moe.append(None if experts is None else experts.num_experts)
        dense.append(None if experts is not None else width_of(layer.mlp))
    values["experts"], values["widths"] = moe, dense
    if any(moe):
        values["experts_per_token"] = text.num_experts_per_tok
        values["renormalise"] = bool(text.norm_topk_prob) if "norm_topk_prob" in own else True
        experts = next(layer.mlp.experts for layer in layers if hasattr(layer.mlp, "experts"))
        values["expert_width"] = experts.down_proj.shape[1 if text.model_type == "gpt_oss" else 2]
    return values


def attempt(action):
    try:
        return action()
    except Exception as error:  # whatever transformers refuses with
        return {"refused": f"{type(error).__name__}: {str(error).strip().splitlines()[-1].strip()[:120]}"}


def case(family, small, change):
    return {"change": change,
            **attempt(lambda: {"values": values_of(*standardised(*build(family, changed(small, change))))})}


def differences(cases):
    """Of the values of each case only those that are not the first one's."""
    first = cases[0]["values"]
    return cases[:1] + [{**c, "values": {k: v for k, v in c["values"].items() if first.get(k) != v}}
                        if "values" in c else c for c in cases[1:]]


def standardised(config, model):
    """As the computation of frequencies does, which honours keys that the class has seen too late."""
    text = config.get_text_config()
    if "rope_type" in (text.rope_parameters or {}) and text.rope_parameters["rope_type"] != "default":
        text.standardize_rope_params()
    return config, model


def describe(family, small):
    cls = CONFIG_MAPPING[family]
    base = {f.name for f in dataclasses.fields(PretrainedConfig)}
    fields = {f.name: json_able(None if f.default is dataclasses.MISSING else f.default)
              for f in dataclasses.fields(cls) if f.name not in base}
    default = cls()
    resolved = {name: json_able(getattr(default, name, None)) for name in fields}
    theta = getattr(cls, "default_theta", None)
    if isinstance(theta, dict):
        resolved |= {"rope_theta": theta["global"], "rope_local_base_freq": theta["local"]}
    else:
        resolved["rope_theta"] = theta
    if hasattr(default, "_sliding_window_pattern"):
        resolved["sliding_window_pattern"] = default._sliding_window_pattern
    if (share := (getattr(default, "rope_parameters", None) or {}).get("partial_rotary_factor")) is not None:
        resolved["partial_rotary_factor"] = share
    if hasattr(default, "hidden_size") and hasattr(default, "num_attention_heads"):
        resolved["head_dim"] = head_dim_of(default)
    keys = sorted((set(resolved) | {"rope_scaling"}) - {"text_config", "vision_config"})
    def null_of(key):
        config = build(family, {**small, key: None})[0]
        if key == "head_dim":
            return {"value": head_dim_of(config)}
        return {"value": json_able(getattr(config, key, None))}
    nulls = {key: attempt(lambda key=key: null_of(key)) for key in keys}
    return {"small": small, "fields": fields, "resolved": resolved, "other_names": dict(cls.attribute_map),
            "nulls": nulls}


def main():
    path = HERE / "expected.json"
    wanted = sys.argv[1:] or list(FAMILIES)
    document = json.loads(path.read_text()) if path.exists() and sys.argv[1:] else {}
    document["transformers"] = transformers.__version__
    document.setdefault("families", {})
    for family in wanted:
        print(family, flush=True)
        small = FAMILIES[family]
        entry = describe(family, small)
        if family not in ENCODERS:
            # Of a configuration inside another, both have flags: whose counts, the model knows.
            inside = "text_config" in small
            changes = [{"text_config": change} for change in CASES] if inside else CASES
            flags = [change for change in CASES if inside and "tie_word_embeddings" in change]
            entry["cases"] = differences([case(family, small, change) for change in [*changes, *flags]])
        document["families"][family] = entry
    ordered = {name: document["families"][name] for name in sorted(document["families"])}
    document["families"] = ordered
    lines = json.dumps(document, separators=(",", ":"), sort_keys=True)
    # A line per case and per key, so that differences can be read.
    path.write_text(lines.replace('{"change":', '\n{"change":').replace('"fields":', '\n"fields":')
                    .replace('"nulls":', '\n"nulls":').replace('"resolved":', '\n"resolved":') + "\n")


if __name__ == "__main__":
    main()
