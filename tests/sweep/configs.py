"""Configurations, heads and ties as they are in the wild: perplexity of `nwcodec eval` beside transformers'.

    python configs.py NWCODEC [PATTERN]    # the program; only variants whose name contains PATTERN

Every variant is a tiny random model whose config.json, tensors or generation_config.json are changed. A variant is
right if the perplexities agree within 1e-3, or if both refuse it; refused, if only nwcodec does, with its reason; wrong
otherwise. Where transformers refuses what has only one meaning (32.0 for 32), the variant names a change with the same
meaning, whose perplexity counts. Needs Python with torch, transformers 5.24, tokenizers, safetensors.
"""
import copy, json, math, os, pathlib, random, shutil, subprocess, sys, tempfile, warnings

warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="critical", OMP_NUM_THREADS="1",
                  HF_HUB_DISABLE_PROGRESS_BARS="1")
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()

CONTEXT, WINDOWS, VOCAB = 64, 3, 300
BASE = dict(vocab_size=VOCAB, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=512, pad_token_id=None, bos_token_id=0, eos_token_id=1)
MOE = dict(num_local_experts=4, num_experts_per_tok=2)
FAMILIES = {
    "llama": ("LlamaConfig", BASE),
    "mistral": ("MistralConfig", {**BASE, "sliding_window": 24}),
    "mixtral": ("MixtralConfig", {**BASE, **MOE}),
    "qwen2": ("Qwen2Config", BASE),
    "qwen3": ("Qwen3Config", {**BASE, "head_dim": 16}),
    "qwen3_moe": ("Qwen3MoeConfig", {**BASE, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2,
                                     "moe_intermediate_size": 32}),
    "gpt_oss": ("GptOssConfig", {**BASE, **MOE, "head_dim": 16, "sliding_window": 20}),
    "gemma3": ("Gemma3TextConfig", {**BASE, "num_hidden_layers": 6, "head_dim": 16, "sliding_window": 20}),
}
DROP = "(drop)"
FULL, SLIDING = "full_attention", "sliding_attention"
LINEAR = {"rope_type": "linear", "factor": 4.0}
OLD_LINEAR = {"type": "linear", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"

VARIANTS = []


def variant(family, name, change=None, **more):
    """change: of config.json; like: a change of the same meaning that transformers takes; tensors: a function of the
    dict of tensors; base: keys of the model before it is written; text: a function of config.json's text; files: name
    to text."""
    VARIANTS.append(dict(family=family, name=name, change=change or {}, **more))


def configs():
    for family in FAMILIES:
        variant(family, "as written")
        for name, change in {
            "rope_scaling linear": {"rope_scaling": LINEAR},
            "rope_scaling of the oldest form":
                {"rope_scaling": OLD_LINEAR, "rope_parameters": DROP, "rope_theta": 5000.0},
            "rope_scaling and rope_theta beside rope_parameters": {"rope_scaling": LINEAR, "rope_theta": 5000.0},
            "rope_theta alone": {"rope_parameters": DROP, "rope_theta": 700},
            "no rope at all": {"rope_parameters": DROP},
            "rope_parameters null": {"rope_parameters": None},
        }.items():
            variant(family, name, change)
    for family in ("llama", "qwen3", "mixtral"):
        variant(family, "type for rope_type", {"rope_parameters": {**OLD_LINEAR, "rope_theta": 10000.0}})
        # transformers fails on Mixtral's head_dim, which is null in its class, unless it is stated.
        stated = {"head_dim": 12} if family == "mixtral" else {}
        short = {"rope_scaling": {"type": "yarn", "factor": 4.0}}
        variant(family, "yarn beside", {"rope_scaling": YARN}, like={"rope_scaling": YARN, **stated})
        variant(family, "yarn, no original length", short, like={**short, **stated})
    for name, change in {
        "llama3": {"rope_scaling": LLAMA3},
        "llama3, no original length": {"rope_scaling": {k: v for k, v in LLAMA3.items() if k[0] != "o"}},
        "llama3, original length beside": {"rope_scaling": LLAMA3, "original_max_position_embeddings": 128},
        "dynamic": {"rope_scaling": {"type": "dynamic", "factor": 2.0}},
        "yarn with factor null": {"rope_scaling": {**YARN, "factor": None}},
        "yarn with betas null and truncate null":
            {"rope_scaling": {**YARN, "beta_fast": None, "beta_slow": 0, "truncate": None}},
        "yarn with mscales": {"rope_scaling": {**YARN, "mscale": 0.7, "mscale_all_dim": 0.3}},
        "yarn with attention_factor": {"rope_scaling": {**YARN, "attention_factor": 1.3}},
        "rope_theta in both": {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}, "rope_theta": 99.0},
        "rope_scaling empty": {"rope_scaling": {}}, "rope_scaling false": {"rope_scaling": False},
        "rope_scaling with factor 4": {"rope_scaling": {"type": "linear", "factor": 4}},
        "factor below one": {"rope_scaling": {"type": "linear", "factor": 0.5}},
        "unknown rope_type": {"rope_scaling": {"rope_type": "made_up", "factor": 2.0}},
        "no factor": {"rope_scaling": {"type": "linear"}},
        "rope_theta null": {"rope_theta": None, "rope_parameters": DROP},
        "partial_rotary_factor": {"partial_rotary_factor": 0.5},
        "partial_rotary_factor, scaled": {"partial_rotary_factor": 0.5, "rope_scaling": LINEAR},
        "num_key_value_heads null": {"num_key_value_heads": None},
        "head_dim null": {"head_dim": None}, "no head_dim": {"head_dim": DROP},
        "no rms_norm_eps": {"rms_norm_eps": DROP}, "no max_position_embeddings": {"max_position_embeddings": DROP},
        "no hidden_act": {"hidden_act": DROP}, "gelu_new": {"hidden_act": "gelu_new"},
        "gelu_fast": {"hidden_act": "gelu_fast"}, "gelu_python": {"hidden_act": "gelu_python"},
        "relu": {"hidden_act": "relu"}, "hidden_act null": {"hidden_act": None},
        "hidden_size null": {"hidden_size": None}, "no hidden_size": {"hidden_size": DROP},
        "attention_bias null": {"attention_bias": None}, "is_causal false": {"is_causal": False},
        "torch_dtype": {"torch_dtype": "bfloat16", "dtype": DROP},
        "dtype and torch_dtype": {"torch_dtype": "bfloat16", "dtype": "float32"},
        "dtype null": {"dtype": None}, "no dtype": {"dtype": DROP},
        "eos outside the vocabulary": {"eos_token_id": 100000}, "eos -1": {"eos_token_id": -1},
        "eos list": {"eos_token_id": [1, 2]}, "no eos": {"eos_token_id": DROP},
        "unknown keys": {"made_up": {"a": [1, None]}, "time_step_limit": 3},
        "layer_types of others": {"layer_types": [SLIDING] * 3, "sliding_window": 8},
        "sliding_window of others": {"sliding_window": 8, "use_sliding_window": True},
    }.items():
        variant("llama", name, change)
    for name, change, like in [
        ("hidden_size as a float", {"hidden_size": 48.0}, {}),
        ("layers and heads as floats", {"num_hidden_layers": 3.0, "num_attention_heads": 4.0}, {}),
        ("rms_norm_eps as an integer", {"rms_norm_eps": 0}, {"rms_norm_eps": 0.0}),
        ("dtype with torch.", {"dtype": "torch.bfloat16"}, {}), ("dtype auto", {"dtype": "auto"}, {}),
        ("torch_dtype auto", {"torch_dtype": "auto", "dtype": DROP}, {}),
    ]:
        variant("llama", name, change, like=like)
    variant("llama", "Infinity and NaN",
            text=lambda t: t.replace("{", '{"a": [0.0, Infinity, -Infinity], "b": NaN,', 1))
    variant("llama", "another file for this version", {"configuration_files": ["config.4.0.0.json"]},
            files={"config.4.0.0.json": json.dumps({**BASE, "model_type": "llama", "rope_theta": 70.0})})
    variant("llama", "tagged Infinity", {"time_step_limit": [0.0, {"__float__": "Infinity"}]})
    variant("mistral", "no sliding_window", {"sliding_window": DROP})
    variant("mistral", "sliding_window null", {"sliding_window": None})
    variant("mistral", "no num_key_value_heads", {"num_key_value_heads": DROP})
    variant("mistral", "num_key_value_heads null", {"num_key_value_heads": None})
    # transformers takes a Mistral with layer types for a Ministral.
    for name, types in {"of one kind": [FULL] * 3, "of two": [SLIDING, FULL, SLIDING], "null": None}.items():
        for kind in ("mistral", "ministral"):
            variant("mistral", f"{kind}, layer_types {name}", {"model_type": kind, "layer_types": types})
    variant("mistral", "ministral", {"model_type": "ministral"})
    variant("mixtral", "num_experts says the same", {"num_experts": 4, "num_local_experts": DROP})
    variant("mixtral", "num_experts has the last word", {"num_experts": 4, "num_local_experts": 8})
    variant("mixtral", "no experts per token", {"num_experts_per_tok": DROP})
    variant("mixtral", "sliding_window", {"sliding_window": 16})
    for family in ("qwen2", "qwen3"):
        on = {"use_sliding_window": True, "sliding_window": 16}
        variant(family, "slides from a layer on", {**on, "max_window_layers": 1, "layer_types": DROP})
        variant(family, "slides by list", {**on, "layer_types": [SLIDING, FULL, SLIDING]})
        variant(family, "list without a window", {"sliding_window": 16, "layer_types": [SLIDING, FULL, SLIDING]})
        variant(family, "window null", {"use_sliding_window": True, "sliding_window": None, "layer_types": DROP})
        variant(family, "older names in the list", {**on, "layer_types": ["attention", SLIDING, "attention"]})
    variant("qwen3", "no head_dim", {"head_dim": DROP})
    variant("qwen3_moe", "num_local_experts has the last word", {"num_local_experts": 4, "num_experts": 8})
    variant("qwen3_moe", "all layers slide", {"use_sliding_window": True, "sliding_window": 16})
    variant("qwen3_moe", "all layers slide, whatever the list", {"use_sliding_window": True, "sliding_window": 16,
                                                                 "layer_types": [FULL] * 3, "max_window_layers": 2})
    variant("qwen3_moe", "norm_topk_prob", {"norm_topk_prob": True})
    variant("qwen3_moe", "mlp_only_layers null", {"mlp_only_layers": None})
    variant("gpt_oss", "no layer_types", {"layer_types": DROP})
    variant("gpt_oss", "num_experts", {"num_experts": 4, "num_local_experts": DROP})
    variant("gpt_oss", "swiglu_alpha", {"swiglu_alpha": 1.1})
    variant("gpt_oss", "swiglu_limit", {"swiglu_limit": 2.0})
    variant("gpt_oss", "window null", {"sliding_window": None})
    for name, change in {
        "rope_local_base_freq": {"rope_parameters": DROP, "rope_theta": 3000.0, "rope_local_base_freq": 200.0},
        "rope_scaling into rope_parameters": {"rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        "flat rope_parameters": {"rope_parameters": {"rope_type": "linear", "factor": 8.0, "rope_theta": 50.0}},
        "sliding half null": {"rope_parameters": {FULL: OLD_LINEAR, SLIDING: None}},
        "pattern 2": {"layer_types": DROP, "sliding_window_pattern": 2},
        "_pattern 2": {"layer_types": DROP, "_sliding_window_pattern": 2},
        "query_pre_attn_scalar": {"query_pre_attn_scalar": 64}, "no window": {"sliding_window": DROP},
        "hidden_act beside": {"hidden_act": "relu"}, "soft cap": {"final_logit_softcapping": 30.0},
        "attention soft cap": {"attn_logit_softcapping": 5.0}, "bidirectional": {"use_bidirectional_attention": True},
    }.items():
        variant("gemma3", name, change)


def heads():
    def other_head(t):
        t[HEAD] = torch.randn(VOCAB, 48, generator=torch.Generator().manual_seed(5)) * 0.3
    def same_head(t):
        t[HEAD] = t[EMBEDDING].clone()
    def head_only(t):
        t[HEAD] = t.pop(EMBEDDING)
    def no_head(t):
        t.pop(HEAD)
    for family in ("llama", "qwen2", "gemma3"):
        tied = {"tie_word_embeddings": True}
        variant(family, "tied", base=tied)
        variant(family, "tied, another head stored", base=tied, tensors=other_head)
        variant(family, "tied, the same head stored", base=tied, tensors=same_head)
        variant(family, "tied, only the head stored", base=tied, tensors=head_only)
        variant(family, "untied", base={"tie_word_embeddings": False})
        variant(family, "untied, the head is the embedding", base={"tie_word_embeddings": False}, tensors=same_head)
    # transformers goes on with a random head, which is no reference.
    variant("llama", "untied, no head", tensors=no_head, refused=HEAD)
    variant("llama", "tied, neither stored", base={"tie_word_embeddings": True}, tensors=lambda t: t.pop(EMBEDDING),
            refused=EMBEDDING)
    variant("llama", "tie_word_embeddings null", {"tie_word_embeddings": None})
    variant("gemma3", "tie_word_embeddings left out", {"tie_word_embeddings": DROP}, base={"tie_word_embeddings": True})
    for name, text in {"empty object": "{}", "nothing": "", "NaN": '{"temperature": NaN, "eos_token_id": 1}',
                       "Infinity": '{"typical_p": -Infinity}', "eos null": '{"eos_token_id": null}',
                       "list": '{"eos_token_id": [1, 2, 100000]}'}.items():
        variant("llama", "generation_config " + name, files={"generation_config.json": text})


def text_of(n=1500, seed=1):
    r = random.Random(seed)
    return " ".join("".join(r.choice("etaoinshrdlu") for _ in range(r.randint(2, 7))) for _ in range(n // 5))


def write_tokenizer(path):
    t = tokenizers.Tokenizer(tokenizers.models.BPE())
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator([text_of(4000)], tokenizers.trainers.BpeTrainer(vocab_size=VOCAB, initial_alphabet=alphabet,
                                                                         show_progress=False))
    t.save(str(path))


def write_model(v, directory):
    class_name, base = FAMILIES[v["family"]]
    config = getattr(transformers, class_name)(**{**base, **v.get("base", {})})
    model = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_(noise * 1.6 / math.sqrt(p.shape[-1]) if p.ndim > 1 else p + 0.3 * noise)
    model.eval().save_pretrained(directory)
    if "tensors" in v:
        tensors = load_file(directory / "model.safetensors")
        v["tensors"](tensors)
        save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    for name, text in v.get("files", {}).items():
        (directory / name).write_text(text)


def change_config(directory, change, text=None):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    for key, value in change.items():
        config.pop(key, None) if value == DROP else config.update({key: copy.deepcopy(value)})
    written = json.dumps(config, indent=1)
    path.write_text(text(written) if text else written)


def perplexity_there(directory, ids):
    model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32,
                                                              attn_implementation="eager").eval()
    total = 0.0
    with torch.no_grad():
        for i in range(WINDOWS):
            window = torch.tensor(ids[i * CONTEXT:(i + 1) * CONTEXT])[None]
            logits = model(window).logits[0, :-1].float()
            total += torch.nn.functional.cross_entropy(logits, window[0, 1:]).item()
    return math.exp(total / WINDOWS)


def perplexity_here(program, directory, text):
    run = subprocess.run([program, "eval", directory, "--text", text, "--context", str(CONTEXT), "--windows",
                          str(WINDOWS), "--json", "--threads", "1"], capture_output=True, text=True, timeout=300)
    if run.returncode != 0:
        return None, run.stderr.strip().splitlines()[-1].replace(str(directory) + "/", "").removeprefix("nwcodec: ")
    return json.loads(run.stdout)["perplexity"], run.stderr.strip()


def judge(v, program, work, ids):
    directory = work / "model"
    shutil.rmtree(directory, ignore_errors=True)
    write_model(v, directory)
    shutil.copy(work / "tokenizer.json", directory)
    original = (directory / "config.json").read_text()
    change_config(directory, v.get("like", v["change"]), v.get("text"))
    there, why = None, ""
    if "refused" not in v:
        try:
            there = perplexity_there(directory, ids)
        except Exception as error:
            why = f"{type(error).__name__}: {str(error).strip().splitlines()[-1].strip()[:70]}"
    (directory / "config.json").write_text(original)
    change_config(directory, v["change"], v.get("text"))
    here, said = perplexity_here(program, directory, work / "text.txt")
    if "refused" in v:
        return ("right" if here is None and v["refused"] in said else "wrong"), said if here is None else f"{here:.4f}"
    if here is None:
        return ("right" if there is None else "refused"), f"{said}" + (f" (there {why})" if there is None else "")
    if there is None:
        return "wrong", f"taken, {here:.4f}; transformers: {why}"
    agree = abs(here / there - 1) < 1e-3
    return ("right" if agree else "wrong"), f"{here:.4f}, transformers {there:.4f}"


def main():
    program, pattern = os.path.abspath(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    configs()
    heads()
    counts = dict(right=0, refused=0, wrong=0)
    chosen = [v for v in VARIANTS if pattern in f"{v['family']}: {v['name']}"]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_tokenizer(work / "tokenizer.json")
        (work / "text.txt").write_text(text_of())
        ids = tokenizers.Tokenizer.from_file(str(work / "tokenizer.json")).encode(text_of()).ids
        for v in chosen:
            outcome, detail = judge(v, program, work, ids)
            counts[outcome] += 1
            print(f"{outcome:8} {v['family']}: {v['name']}: {detail}", flush=True)
    print(f"{len(chosen)} variants, right {counts['right']}, refused with reason {counts['refused']}, "
          f"wrong {counts['wrong']}")
    return counts["wrong"] != 0


if __name__ == "__main__":
    sys.exit(main())
