#!/usr/bin/env python3
"""Variants of the families in tests/data/families: other options of each, and the older forms of their config.json.

    NW=build/release/bin/nwcodec python tests/sweep/families.py [WORD ...]     # variants whose name has a WORD

Each variant is a random model that transformers writes; its perplexity on a text by `nwcodec eval` is compared with
transformers' own. A line per variant: right (within a relative 1e-5), refused with nwcodec's reason, or WRONG.
"""

import importlib.util
import json
import math
import os
import pathlib
import string
import subprocess
import sys
import tempfile

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent
NWCODEC = os.environ.get("NW", str(HERE.parent.parent / "build/release/bin/nwcodec"))
LETTERS = string.ascii_letters + string.digits + "ĠĊ"  # one token each; the last two are space and newline
CONTEXT, WINDOWS = 40, 2

sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("make", HERE.parent / "data/families/make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def old_rope(config, kind):
    """The form of transformers 4: rope_theta, partial_rotary_factor and rope_scaling with `type`."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    rope_type = rope.pop("rope_type")
    if rope_type != "default":
        config["rope_scaling"] = {"type": kind or rope_type, **rope}


def without(*keys):
    def change(config):
        for key in keys:
            del config[key]
    return change


def setting(**keys):
    return lambda config: config.update(keys)


ROPE = {"rope_type": "default", "rope_theta": 500.0}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
LINEAR = {"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0}
# family: (what differs from its fixture, a change of config.json after saving, a name)
VARIANTS = {
    "granite": [
        ({"attention_bias": True, "mlp_bias": True}, None, "biases"), ({"tie_word_embeddings": True}, None, "tied"),
        ({"rope_parameters": LLAMA3}, None, "llama3 rope"), ({"num_key_value_heads": 4}, None, "one head each"),
        ({"attention_multiplier": 1.0, "embedding_multiplier": 1.0, "residual_multiplier": 1.0,
          "logits_scaling": 1.0}, without("attention_multiplier", "embedding_multiplier", "residual_multiplier",
                                          "logits_scaling"), "multipliers absent"),
        ({"rope_parameters": ROPE}, lambda c: old_rope(c, None), "old rope"),
        ({"num_key_value_heads": 4}, setting(num_key_value_heads=None), "null kv heads")],
    "smollm3": [
        ({"no_rope_layers": None}, None, "every fourth"), ({"use_sliding_window": False, "layer_types": None}, None,
                                                           "no window"),
        ({"attention_bias": True, "mlp_bias": True}, None, "biases"), ({"tie_word_embeddings": False}, None, "untied"),
        ({"no_rope_layers": None}, without("no_rope_layers", "layer_types"), "lists absent"),
        ({"no_rope_layers": None, "no_rope_layer_interval": 2}, without("no_rope_layers"), "interval 2"),
        ({"layer_types": ["sliding_attention"] + ["full_attention"] * 3}, None, "own layer types"),
        ({}, without("rope_parameters"), "theta absent")],
    "olmo2": [
        ({"attention_bias": True}, None, "biases"), ({"tie_word_embeddings": True}, None, "tied"),
        ({"num_key_value_heads": 1}, None, "one key head"), ({"rope_parameters": LINEAR}, None, "linear rope"),
        ({"rope_parameters": LINEAR}, lambda c: old_rope(c, None), "old linear rope")],
    "olmo3": [
        ({"rope_parameters": None}, None, "plain ropes"), ({"layer_types": ["full_attention"] * 2}, None, "all full"),
        ({"layer_types": None, "num_hidden_layers": 4}, without("layer_types"), "layer types absent"),
        ({"attention_bias": True}, None, "biases")],
    "starcoder2": [
        ({"sliding_window": None}, None, "no window"), ({"use_bias": False}, None, "no biases"),
        ({"tie_word_embeddings": False}, None, "untied"), ({"hidden_act": "silu"}, None, "silu"),
        ({"norm_epsilon": 0.01}, None, "large epsilon"), ({"rope_parameters": LLAMA3}, None, "llama3 rope")],
    "gemma2": [
        ({"attn_logit_softcapping": None}, None, "no score cap"), ({"final_logit_softcapping": None}, None,
                                                                   "no logit cap"),
        ({"tie_word_embeddings": True}, None, "tied"), ({"attention_bias": True}, None, "biases"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, None, "other order"),
        ({}, without("layer_types"), "layer types absent"),
        ({"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0},
         without("attn_logit_softcapping", "final_logit_softcapping"), "caps absent"),
        ({"use_bidirectional_attention": True}, None, "bidirectional")],
    "phi3": [
        ({"rope_parameters": ROPE, "sliding_window": None}, None, "plain"),
        ({"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}, None, "half a head"),
        ({"original_max_position_embeddings": 64}, None, "short factors"),
        ({}, lambda c: old_rope(c, "su"), "su"), ({}, lambda c: old_rope(c, "yarn"), "yarn means longrope"),
        ({}, lambda c: old_rope(c, "longrope"), "old longrope"), ({"tie_word_embeddings": True}, None, "tied"),
        ({"num_key_value_heads": 4}, None, "one head each"),
        ({"rope_parameters": {**make.LONG, "attention_factor": 1.3}}, None, "attention factor"),
        ({"rope_parameters": {**make.LONG, "factor": 2.0}}, None, "factor")],
    "glm": [
        ({"attention_bias": False}, None, "no biases"), ({"tie_word_embeddings": True}, None, "tied"),
        ({"rope_parameters": {**ROPE, "partial_rotary_factor": 0.5}}, lambda c: old_rope(c, None), "old rope")],
    "glm4": [
        ({"attention_bias": False}, None, "no biases"), ({"num_key_value_heads": 1}, None, "one key head"),
        ({"rope_parameters": {**ROPE, "partial_rotary_factor": 1.0}}, None, "whole heads turn"),
        ({"rope_parameters": {**LINEAR, "partial_rotary_factor": 0.5}}, None, "linear rope")],
    "deepseek_v2": [
        ({"topk_method": "greedy", "n_group": None, "topk_group": None}, None, "greedy"),
        ({"q_lora_rank": 20}, None, "queries of low rank"), ({"attention_bias": True}, None, "biases"),
        ({"first_k_dense_replace": 0}, None, "no dense block"), ({"first_k_dense_replace": 3}, None, "all dense"),
        ({"n_shared_experts": 1}, None, "one shared expert"), ({"rope_parameters": ROPE}, None, "plain rope"),
        ({}, lambda c: old_rope(c, None), "old yarn"), ({"tie_word_embeddings": True}, None, "tied"),
        ({"rope_parameters": {k: v for k, v in make.YARN.items() if k != "mscale_all_dim"}}, None, "one mscale"),
        ({"num_experts_per_tok": 1}, None, "one expert"), ({"norm_topk_prob": True}, None, "norm_topk_prob"),
        ({"mlp_bias": True}, None, "mlp_bias")],
    "deepseek_v3": [
        ({"q_lora_rank": None}, None, "direct queries"), ({"attention_bias": False}, None, "no biases"),
        ({"rope_interleave": False}, None, "halves turn"), ({"norm_topk_prob": False}, None, "not renormalised"),
        ({"n_group": 1, "topk_group": 1}, None, "one group"), ({"first_k_dense_replace": 0}, None, "no dense block"),
        ({"n_shared_experts": 2}, None, "two shared experts"), ({}, lambda c: old_rope(c, None), "old yarn"),
        ({}, setting(scoring_func="sigmoid", topk_method="noaux_tc", moe_layer_freq=1, ep_size=1), "published keys"),
        ({"rope_parameters": ROPE}, None, "plain rope"), ({"routed_scaling_factor": 1.0}, None, "no scale"),
        ({"num_experts_per_tok": 4}, None, "four experts")],
}


def write_tokenizer(folder):
    level = {"add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", **level}, "post_processor": None,
        "decoder": {"type": "ByteLevel", **level},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {letter: i for i, letter in enumerate(LETTERS)}, "merges": []}}))


def perplexity(model, ids):
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[:, :-1].double()
    losses = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
    return math.exp(losses)


def run(family, options, change, folder):
    kind, changes = make.MODELS[family]
    torch.manual_seed(7)
    config = getattr(transformers, f"{kind}Config")(**{**make.COMMON, **changes, **options})
    model_class = getattr(transformers, f"{kind}ForCausalLM")
    model = model_class(config)
    make.randomise(model)
    model.save_pretrained(folder)
    file = folder / "config.json"
    if change is not None:
        config = json.loads(file.read_text())
        change(config)
        file.write_text(json.dumps(config))
    model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(0, make.VOCAB, (WINDOWS, CONTEXT))
    wanted = perplexity(model, ids)
    write_tokenizer(folder)
    text = "".join(LETTERS[i] for i in ids.flatten()).replace("Ġ", " ").replace("Ċ", "\n")
    (folder / "text.txt").write_text(text)
    done = subprocess.run([NWCODEC, "eval", folder, "--text", folder / "text.txt", "--context", str(CONTEXT), "--json",
                           "--quiet", "--threads", "1"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return "refused", done.stderr.strip().splitlines()[-1].split("config.json: ")[-1]
    got = json.loads(done.stdout)["perplexity"]
    error = abs(got / wanted - 1)
    return ("right" if error < 1e-5 else "WRONG"), f"perplexity {got:.5f}, transformers {wanted:.5f}"


def main():
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    counts = {"right": 0, "refused": 0, "WRONG": 0}
    for family, variants in VARIANTS.items():
        for options, change, name in [({}, None, "fixture"), *variants]:
            label = f"{family}: {name}"
            if sys.argv[1:] and not any(word in label for word in sys.argv[1:]):
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    outcome, detail = run(family, options, change, pathlib.Path(folder))
                except Exception as error:  # transformers itself does not load it
                    print(f"{label:40} (transformers: {type(error).__name__} {error})"[:150], flush=True)
                    continue
            counts[outcome] += 1
            print(f"{label:40} {outcome}: {detail}", flush=True)
    print(f"{sum(counts.values())} variants, right {counts['right']}, refused with reason {counts['refused']}, "
          f"wrong {counts['WRONG']}")
    return counts["WRONG"] != 0


if __name__ == "__main__":
    sys.exit(main())
