#!/usr/bin/env python3
"""Makes the checkpoints of this folder with transformers (5.24): tiny models of random weights, and what they compute.

    python make.py [NAME ...]      # all, or those named; each into a folder beside this file

A folder holds what `save_pretrained` writes in bfloat16, and expected.safetensors:
  input_ids    int64 [1, LENGTH]
  logits       float32 [1, LENGTH, VOCAB] of transformers' forward pass in float32, attention implementation "eager"
  generated    int64 [NEW], the greedy continuation of the first PROMPT ids, with transformers' cache
  labels       int64 [LENGTH]
and of some layers, the weight of each being NAME, x their inputs and g the gradients at their outputs of the sum of the
labels' log-probabilities, means over all positions:
  moment.NAME  float32 [in, in], x x^T
  fisher.NAME  float32 [in, in], |g|^2 x x^T
  rows.NAME    float32 [out], g_i^2
"""

import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
VOCAB, LENGTH, PROMPT, NEW = 64, 40, 20, 12
COMMON = {
    "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": None, "eos_token_id": None,
    "pad_token_id": None,
}
LATENT = {
    "num_key_value_heads": 4, "kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 10,
    "n_routed_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 16, "first_k_dense_replace": 1,
    "n_group": 4, "topk_group": 2, "num_hidden_layers": 3,
}
YARN = {
    "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32,
    "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 0.8, "mscale_all_dim": 1.3,
}
LONG = {
    "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
    "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.2, 2.0, 4.5], "original_max_position_embeddings": 24,
}

# name -> (model class, config class, what differs from COMMON)
MODELS = {
    "granite": ("Granite", {
        "embedding_multiplier": 3.0, "residual_multiplier": 0.6, "attention_multiplier": 0.25, "logits_scaling": 2.0}),
    "smollm3": ("SmolLM3", {
        "num_hidden_layers": 4, "intermediate_size": 32, "use_sliding_window": True, "sliding_window": 7,
        "no_rope_layers": [1, 0, 1, 0], "tie_word_embeddings": True}),
    "olmo2": ("Olmo2", {}),
    "olmo3": ("Olmo3", {
        "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            "full_attention": {key: YARN[key] for key in YARN if not key.startswith("mscale")},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}),
    "starcoder2": ("Starcoder2", {"sliding_window": 9}),
    "gemma2": ("Gemma2", {
        "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 10, "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 3.0, "tie_word_embeddings": False}),
    # Heads of 8, of which 6 dimensions turn; the 40 positions need the long factors, the prompt the short ones.
    "phi3": ("Phi3", {
        "rope_parameters": LONG, "original_max_position_embeddings": 24, "sliding_window": 30}),
    "glm": ("Glm", {"head_dim": 12, "eos_token_id": 63}),
    "glm4": ("Glm4", {"head_dim": 12, "eos_token_id": 63}),
    "deepseek_v2": ("DeepseekV2", {
        **LATENT, "q_lora_rank": None, "topk_method": "group_limited_greedy", "n_shared_experts": 2,
        "routed_scaling_factor": 1.7, "rope_parameters": YARN}),
    "deepseek_v3": ("DeepseekV3", {
        **LATENT, "q_lora_rank": 20, "n_shared_experts": 1, "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 0,
        "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}, "attention_bias": True}),
}
# The layers that are watched, per model; those of the others are Llama's.
LLAMA = ["layers.0.self_attn.q_proj", "layers.0.mlp.down_proj", "layers.1.self_attn.v_proj", "layers.1.self_attn.o_proj",
         "layers.1.mlp.up_proj"]
FUSED_GATE = ["layers.0.self_attn.o_proj", "layers.1.mlp.gate_up_proj", "layers.1.mlp.down_proj"]
WATCHED = {
    "starcoder2": ["layers.0.self_attn.q_proj", "layers.0.mlp.c_fc", "layers.1.mlp.c_proj"],
    "phi3": ["layers.1.self_attn.qkv_proj", *FUSED_GATE],
    "glm": FUSED_GATE,
    "glm4": FUSED_GATE,
    "deepseek_v2": [f"layers.1.self_attn.{name}" for name in ("q_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")]
    + [f"layers.1.mlp.shared_experts.{name}" for name in ("gate_proj", "down_proj")],
    "deepseek_v3": [f"layers.1.self_attn.{name}"
                    for name in ("q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj")]
    + [f"layers.1.mlp.shared_experts.{name}" for name in ("gate_proj", "down_proj")],
}


def randomise(model):
    """Weights of a size at which every part of the model moves the logits."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if "inv_freq" in name or "embed_scale" in name:
            continue
        noise = torch.randn(tensor.shape)
        if "norm" in name:
            offset = 0 if "Gemma" in type(model).__name__ else 1
            value = 0.3 * noise + (offset if name.endswith("weight") else 0)
        elif name.endswith("e_score_correction_bias"):
            value = 0.2 * noise
        elif tensor.ndim == 1:
            value = 0.4 * noise
        elif "embed_tokens" in name:
            value = (0.3 if model.config.tie_word_embeddings else 1) * noise
        else:
            value = 1.5 * noise / tensor.shape[-1] ** 0.5
        tensor.data.copy_(value.to(tensor.dtype))


def moments_of(model, names, ids, labels):
    """What calibration measures on the named layers."""
    seen = {}

    def hook_of(name):
        def hook(_, inputs, output):
            output.retain_grad()
            seen[name] = (inputs[0], output)
        return hook

    hooks = [model.model.get_submodule(name).register_forward_hook(hook_of(name)) for name in names]
    logits = model(ids, use_cache=False).logits[0]
    torch.log_softmax(logits, -1).gather(1, labels[:, None]).sum().backward()
    for hook in hooks:
        hook.remove()
    moments = {}
    for name, (x, output) in seen.items():
        x, g = (t.detach().double().reshape(-1, t.shape[-1]) for t in (x, output.grad))
        weight = f"model.{name}.weight"
        weighted = x * g.square().sum(1, keepdim=True).sqrt()
        moments[f"moment.{weight}"] = (x.T @ x / len(x)).float()
        moments[f"fisher.{weight}"] = (weighted.T @ weighted / len(x)).float()
        moments[f"rows.{weight}"] = g.square().mean(0).float()
    return moments


def make(name):
    kind, changes = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    config = getattr(transformers, f"{kind}Config")(**{**COMMON, **changes})
    model_class = getattr(transformers, f"{kind}ForCausalLM")
    model = model_class(config)
    randomise(model)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(0, VOCAB, (1, LENGTH))
    labels = torch.randint(0, VOCAB, (LENGTH,))
    moments = moments_of(model, WATCHED.get(name, LLAMA), ids, labels)
    model.generation_config.eos_token_id = None
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits
        generated = model.generate(ids[:, :PROMPT], attention_mask=torch.ones(1, PROMPT, dtype=torch.int64),
                                   do_sample=False, max_new_tokens=NEW)
    save_file({"input_ids": ids, "labels": labels, "logits": logits.contiguous(), "generated": generated[0, PROMPT:].contiguous(),
               **moments}, folder / "expected.safetensors")
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name}: {size} bytes, logits {logits.std():.3f}, generated {generated[0, PROMPT:].tolist()}")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    for model_name in sys.argv[1:] or MODELS:
        make(model_name)
