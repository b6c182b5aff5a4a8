"""Checkpoints of which transformers, trainers and wrappers call the tensors otherwise; see names_values.py."""
import contextlib
import io
import json
import math
import os

import torch
import transformers as T

from names_values_common import *

def model_of(family):
    kinds = {
        "llama": lambda: T.LlamaForCausalLM(T.LlamaConfig(**TINY)),
        "mistral": lambda: T.MistralForCausalLM(T.MistralConfig(**TINY, sliding_window=None)),
        "qwen2": lambda: T.Qwen2ForCausalLM(T.Qwen2Config(**TINY, tie_word_embeddings=True)),
        "qwen3": lambda: T.Qwen3ForCausalLM(T.Qwen3Config(**TINY, head_dim=16)),
        "mixtral": lambda: T.MixtralForCausalLM(T.MixtralConfig(**TINY, num_local_experts=4)),
        "qwen3_moe": lambda: T.Qwen3MoeForCausalLM(T.Qwen3MoeConfig(
            **TINY, head_dim=16, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)),
        "gpt_oss": lambda: T.GptOssForCausalLM(T.GptOssConfig(
            **TINY, head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=20)),
        "gemma3_text": lambda: T.Gemma3ForCausalLM(T.Gemma3TextConfig(**TINY, head_dim=16, sliding_window=20)),
        "gemma3": lambda: T.Gemma3ForConditionalGeneration(T.Gemma3Config(
            text_config=T.Gemma3TextConfig(**TINY, head_dim=16, sliding_window=20),
            vision_config=T.SiglipVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                                               num_attention_heads=2, image_size=28, patch_size=14),
            mm_tokens_per_image=4)),
    }
    model, generator = kinds[family](), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * 1.6 / math.sqrt(parameter.shape[-1]) if parameter.ndim > 1
                            else parameter + 0.3 * noise)
    return model.eval()


def perplexity(model):
    total = 0
    with torch.no_grad():
        for i in range(WINDOWS):
            window = torch.tensor(IDS[i * CONTEXT:(i + 1) * CONTEXT])[None]
            logits = model(window).logits[0, :-1].float()
            total += torch.nn.functional.cross_entropy(logits, window[0, 1:]).item()
    return math.exp(total / WINDOWS)


MODELS = {}


def published(family, original_format=True):
    """Tensors and config as transformers writes them, and its perplexity."""
    key = (family, original_format)
    if key not in MODELS:
        directory, model = path("published-%s-%d" % key), model_of(family)
        model.save_pretrained(directory, save_original_format=original_format)
        with open(directory + "/config.json") as config:
            MODELS[key] = tensors_of(directory), json.load(config), perplexity(model)
    return MODELS[key]


def evaluated(directory):
    code, out, messages = run("eval", directory, "--text", TEXT, "--context", CONTEXT, "--windows", WINDOWS, "--json",
                              "-q", "--threads", 1)
    return (json.loads(out)["perplexity"], "") if code == 0 else (None, messages)


def loads_in_transformers(directory, wanted):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            model = T.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        return abs(perplexity(model) / wanted - 1) < 1e-3
    except Exception:
        return False


def compare(name, tensors, config, wanted, may_refuse=False):
    directory = write(name, tensors, config)
    got, messages = evaluated(directory)
    note = "transformers: " + ("same" if loads_in_transformers(directory, wanted) else "not loaded")
    if got is None:
        named = "tensor '" in messages or "prefixes" in messages
        return (REFUSED if may_refuse and named else WRONG), messages + " (%s)" % note
    verdict = RIGHT if abs(got / wanted - 1) < 1e-3 and not may_refuse else WRONG
    return verdict, "perplexity %.4f, right %.4f (%s)" % (got, wanted, note)


def renamed(name, family, rename, original_format=True, may_refuse=False):
    def check():
        tensors, config, wanted = published(family, original_format)
        changed = {}
        for key, value in tensors.items():
            new = rename(key)
            for each in new if isinstance(new, list) else [new]:
                changed[each] = value
        return compare(name, changed, config, wanted, may_refuse)
    VARIANTS.append((name, check))


def behind(prefix, described="model."):
    return lambda key: prefix + key[len(described):] if key.startswith(described) else key


for family in ("llama", "mistral", "qwen2", "qwen3", "mixtral", "qwen3_moe", "gpt_oss", "gemma3_text"):
    renamed("names-no-prefix-" + family, family, behind(""))
for family in ("llama", "qwen3", "gpt_oss", "gemma3_text"):
    renamed("names-language_model.model-" + family, family, behind("language_model.model."))
renamed("names-model.language_model-qwen3", "qwen3", behind("model.language_model."))
renamed("names-transformer-llama", "llama", behind("transformer."))
renamed("names-head-behind-model-llama", "llama",
        lambda key: "model.lm_head.weight" if key == "lm_head.weight" else key)
renamed("names-peft-merged-llama", "llama", lambda key: "base_model.model." + key)
renamed("names-data-parallel-llama", "llama", lambda key: "module." + key)
renamed("names-compiled-llama", "llama", lambda key: "_orig_mod." + key)
renamed("names-fsdp-llama", "llama", lambda key: key.replace(".mlp.", "._fsdp_wrapped_module.mlp."))
renamed("names-checkpointed-qwen2", "qwen2",
        lambda key: key.replace("self_attn.", "self_attn._checkpoint_wrapped_module."))
renamed("names-some-without-prefix-qwen3", "qwen3", lambda key: key[6:] if ".layers.1." in key else key)
renamed("names-averaged-beside-llama", "llama", lambda key: [key, "ema." + key])
renamed("names-two-prefixes-llama", "llama", lambda key: ["teacher." + key, "student." + key], may_refuse=True)
renamed("names-two-wrappers-llama", "llama", lambda key: ["module." + key, "_orig_mod." + key], may_refuse=True)
renamed("names-a-tensor-missing-llama", "llama",
        lambda key: [] if key.endswith("layers.1.mlp.up_proj.weight") else behind("")(key), may_refuse=True)
def with_adapter(key):
    """A LoRA adapter on the queries, as PEFT has it while it is not merged."""
    key = "base_model.model." + key
    if "q_proj.weight" not in key:
        return key
    return [key.replace("q_proj.weight", "q_proj.base_layer.weight"),
            key.replace("q_proj.weight", "q_proj.lora_A.default.weight")]


renamed("names-adapter-not-merged-llama", "llama", with_adapter, may_refuse=True)
for family in ("mixtral", "qwen3_moe"):
    renamed("names-fused-experts-" + family, family, lambda key: key, original_format=False)
    renamed("names-fused-experts-no-prefix-" + family, family, behind(""), original_format=False)
    renamed("names-fused-experts-language_model-" + family, family, behind("model.language_model."),
            original_format=False)
renamed("names-mlp-for-block_sparse_moe-mixtral", "mixtral", lambda key: key.replace("block_sparse_moe", "mlp"))
renamed("names-as-written-gemma3", "gemma3", lambda key: key)
renamed("names-raw-state-gemma3", "gemma3", lambda key: "model.language_model." + key[21:]
        if key.startswith("language_model.model.") else key.replace("language_model.lm_head", "lm_head")
        if key.startswith("language_model.") else "model." + key)
renamed("names-text-model-gemma3", "gemma3", behind("language_model.", "language_model.model."))


def fused_gate():
    tensors, config, wanted = published("llama")
    changed = {k: v for k, v in tensors.items() if "gate_proj" not in k and "up_proj" not in k}
    for layer in range(2):
        mlp = "model.layers.%d.mlp." % layer
        changed[mlp + "gate_up_proj.weight"] = torch.cat([tensors[mlp + "gate_proj.weight"],
                                                          tensors[mlp + "up_proj.weight"]])
    return compare("names-fused-gate-llama", changed, config, wanted)


VARIANTS.append(("names-fused-gate-llama", fused_gate))


def through_calibration(name, family, rename, original_format=True, options=()):
    """Hessians go by the checkpoint's names: 8 bits with feedback change the perplexity little."""
    def check():
        tensors, config, wanted = published(family, original_format)
        directory = write(name, {rename(k): v for k, v in tensors.items()}, config)
        hessians, small = path(name + "-h"), path(name + "-c")
        for step in (("calibrate", directory, "--text", TEXT, "-o", hessians, "--sequences", 4, "--length", 32, "-q",
                      "--threads", 1),
                     ("compress", directory, "-o", small, "--hessians", hessians, "--bits", 6, "-q", "--threads", 1,
                      *options)):
            code, _, messages = run(*step)
            if code != 0:
                return WRONG, messages
        got, messages = evaluated(small)
        if got is None:
            return WRONG, messages
        verdict = RIGHT if abs(got / wanted - 1) < 0.2 else WRONG
        return verdict, "perplexity %.2f, of the original %.2f" % (got, wanted)
    VARIANTS.append((name, check))


through_calibration("calibrated-no-prefix-qwen3", "qwen3", behind(""))
through_calibration("calibrated-fused-experts-mixtral", "mixtral", lambda key: key, original_format=False)
through_calibration("calibrated-fused-experts-no-prefix-qwen3_moe", "qwen3_moe", behind(""), original_format=False)
through_calibration("calibrated-raw-state-gemma3", "gemma3", behind("model.language_model.", "language_model.model."),
                    options=("--exclude", "vision_tower"))


def keeps_names(name, model_type, names):
    """Of families that we cannot evaluate: compressed, decompressed, and everything is called as before."""
    def check():
        generator = torch.Generator().manual_seed(1)
        tensors = {k: torch.randn(shape, generator=generator) * 0.02 for k, shape in names.items()}
        directory = write(name, tensors, {"model_type": model_type})
        for step in (("compress", directory, "-o", directory + ".c", "-q"),
                     ("decompress", directory + ".c", "-o", directory + ".p", "-q")):
            code, _, messages = run(*step)
            if code != 0:
                return WRONG, messages
        back = tensors_of(directory + ".p")
        same = {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in tensors.items()}
        changed = sum(not torch.equal(back[k], tensors[k]) for k in back) if same else 0
        return (RIGHT if same and changed > 0 else WRONG), "%d tensors, %d of them compressed" % (len(tensors), changed)
    VARIANTS.append((name, check))


keeps_names("kept-gpt2", "gpt2", {"transformer.h.0.attn.c_attn.weight": (64, 192), "transformer.h.0.ln_1.weight": (64,),
                                  "transformer.wte.weight": (300, 64)})
keeps_names("kept-bert-in-a-wrapper", "bert", {
    "module.bert.encoder.layer.0.attention.self.query.weight": (64, 64), "module.bert.pooler.dense.weight": (64, 64)})
keeps_names("kept-phi3", "phi3", {"model.layers.0.self_attn.qkv_proj.weight": (192, 64),
                                  "model.layers.0.mlp.gate_up_proj.weight": (256, 64)})
keeps_names("kept-unknown-experts", "someones_moe", {"backbone.blocks.3.experts.w13": (4, 128, 64),
                                                     "backbone.blocks.3.router.weight": (4, 64)})
