"""Compares how nwcodec and transformers read checkpoint directories: indexes, shards, extra files, quantised weights.

    NW=build/release/bin/nwcodec python tests/sweep/checkpoint_files.py [NAME...]

Needs Python with torch, transformers (5.24), safetensors and accelerate; compressed-tensors for three variants, which
are left out without it. Every variant is a directory in a temporary folder. What nwcodec reads of it is seen by a
compression that compresses nothing and a decompression, and must be, bit by bit, what transformers loads; so must what
transformers loads of the result. Or nwcodec must refuse in one line that has the words a variant gives. Prints a line
per variant; the last line counts. Exits with 1 if any is wrong.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1")
import accelerate  # without it transformers refuses FP8, and there would be nothing to compare with
import torch
import transformers
from safetensors.torch import load_file, save_file

torch.set_num_threads(1)
transformers.utils.logging.disable_progress_bar()

NW = os.path.abspath(os.environ["NW"])
INDEX = "model.safetensors.index.json"
UP, DOWN = "model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.down_proj.weight"
CONFIG = transformers.LlamaConfig(
    vocab_size=96, hidden_size=64, intermediate_size=160, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, dtype="bfloat16")
torch.manual_seed(12)
MODEL = transformers.LlamaForCausalLM(CONFIG).to(torch.bfloat16)
TENSORS = {name: value.clone().contiguous() for name, value in MODEL.state_dict().items()}
IS_LINEAR = {name: ".layers." in name and value.ndim == 2 for name, value in TENSORS.items()}
VARIANTS = []  # (name, function, words of a note or of a refusal, whether it is refused)


def variant(words="", refused=False, needs=None):
    """Registers a function that writes a variant to a directory."""

    def register(function):
        VARIANTS.append((function.__name__, function, words, refused, needs))
        return function

    return register


def save(directory, name, tensors):
    save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(directory, name), {"format": "pt"})


def write_config(directory, **changes):
    config = json.loads(CONFIG.to_json_string(use_diff=False))
    config.update(architectures=["LlamaForCausalLM"], model_type="llama", dtype="bfloat16", **changes)
    json.dump({k: v for k, v in config.items() if v is not ...}, open(os.path.join(directory, "config.json"), "w"))


def write_index(directory, weight_map, **changes):
    json.dump({"metadata": {"total_size": 0}, "weight_map": weight_map, **changes},
              open(os.path.join(directory, INDEX), "w"))


def shard(number, count=2):
    return f"model-{number:05}-of-{count:05}.safetensors"


def halves(tensors=TENSORS):
    names = sorted(tensors)
    middle = len(names) // 2
    return {n: tensors[n] for n in names[:middle]}, {n: tensors[n] for n in names[middle:]}


def write_shards(directory, tensors=TENSORS, names=(shard(1), shard(2))):
    parts = halves(tensors)
    for name, part in zip(names, parts):
        save(directory, name, part)
    weight_map = {tensor: name for name, part in zip(names, parts) for tensor in part}
    write_index(directory, weight_map)
    return weight_map


def other(tensors=TENSORS):
    return {name: value + 1 for name, value in tensors.items()}


# --- which files


@variant()
def single_file(d):
    save(d, "model.safetensors", TENSORS)


@variant()
def two_shards(d):
    write_shards(d)


@variant()
def shards_of_other_names(d):
    write_shards(d, names=("pytorch_model-00001-of-00002.safetensors", "weights_b.safetensors"))


@variant()
def hundred_shards(d):
    weight_map = {}
    for i, (name, value) in enumerate(sorted(TENSORS.items())):
        weight_map[name] = shard(i + 1, len(TENSORS))
        save(d, weight_map[name], {name: value})
    write_index(d, weight_map)


@variant("passed over")
def old_shards_beside_a_newer_single_file(d):
    write_shards(d, other())
    save(d, "model.safetensors", TENSORS)


@variant("passed over")
def stale_index_of_shards_that_are_gone(d):
    save(d, "model.safetensors", TENSORS)
    write_index(d, {name: shard(1 + i % 2) for i, name in enumerate(TENSORS)})


@variant("passed over")
def broken_index_beside_a_single_file(d):
    save(d, "model.safetensors", TENSORS)
    open(os.path.join(d, INDEX), "w").write("<html>not found</html>")


@variant("passed over")
def dangling_index_beside_a_single_file(d):
    save(d, "model.safetensors", TENSORS)
    os.symlink("gone", os.path.join(d, INDEX))


@variant("passed over")
def dangling_single_file_beside_shards(d):
    write_shards(d)
    os.symlink("gone", os.path.join(d, "model.safetensors"))


@variant("passed over")
def shards_of_an_earlier_save(d):
    write_shards(d)
    save(d, shard(3, 3), other())


@variant()
def index_of_a_single_file(d):
    save(d, "model.safetensors", TENSORS)
    write_index(d, {name: "model.safetensors" for name in TENSORS})


@variant("passed over")
def file_that_the_config_names(d):
    save(d, "best.safetensors", TENSORS)
    save(d, "model.safetensors", other())
    write_config(d, transformers_weights="best.safetensors")


@variant("transformers_weights", refused=True)
def config_that_names_a_file_outside(d):
    save(d, "model.safetensors", TENSORS)
    write_config(d, transformers_weights="../model.safetensors")


@variant()
def links_of_a_download_cache(d):
    os.makedirs(os.path.join(d, ".blobs"))
    save(d, ".blobs/one", TENSORS)
    os.symlink(".blobs/one", os.path.join(d, "model.safetensors"))


@variant("mtp.safetensors")
def heads_for_more_tokens_in_a_file_of_their_own(d):
    save(d, "model.safetensors", TENSORS)
    save(d, "mtp.safetensors", {"mtp.head.weight": torch.ones(3)})
    save(d, "model-mtp.safetensors", {"mtp.head.weight": torch.ones(3)})


@variant("adapter_model.safetensors")
def adapter_beside_the_model(d):
    save(d, "model.safetensors", TENSORS)
    save(d, "adapter_model.safetensors", {"base_model.model.lora_A.weight": torch.ones(3, 3)})


@variant("consolidated.safetensors")
def consolidated_duplicate(d):
    write_shards(d)
    save(d, "consolidated.safetensors", other())


@variant("pytorch_model.bin")
def pickle_beside_the_model(d):
    save(d, "model.safetensors", TENSORS)
    torch.save({"x": torch.ones(3)}, os.path.join(d, "pytorch_model.bin"))


@variant("rename a single file", refused=True)
def only_a_variant(d):
    save(d, "model.fp16.safetensors", TENSORS)


@variant("convert the checkpoint first", refused=True)
def only_a_pickle(d):
    torch.save(TENSORS, os.path.join(d, "pytorch_model.bin"))


# --- what the index says


@variant("does not mention")
def tensor_that_the_index_does_not_mention(d):
    weight_map = write_shards(d)
    del weight_map[UP]
    write_index(d, weight_map)


@variant("another shard than the index says")
def index_with_files_exchanged(d):
    weight_map = write_shards(d)
    write_index(d, {name: shard(2) if file == shard(1) else shard(1) for name, file in weight_map.items()})


@variant("in several shards")
def overlay_in_the_last_shard(d):
    weight_map = write_shards(d, {**TENSORS, UP: TENSORS[UP] + 1})
    save(d, "model-overlay.safetensors", {UP: TENSORS[UP]})
    write_index(d, {**weight_map, UP: "model-overlay.safetensors"})


@variant("in several shards")
def overlay_that_the_index_does_not_name(d):
    weight_map = write_shards(d)
    save(d, "z.safetensors", {UP: TENSORS[UP] + 1, "model.norm.weight": TENSORS["model.norm.weight"] + 1})
    write_index(d, {**weight_map, "model.norm.weight": "z.safetensors"})


@variant("in several shards")
def overlay_in_the_first_shard(d):
    weight_map = write_shards(d)
    save(d, "a.safetensors", {UP: TENSORS[UP] + 1})
    write_index(d, {**weight_map, UP: "a.safetensors"})


@variant("in several shards")
def shard_that_is_replaced_whole(d):
    weight_map = write_shards(d)
    save(d, "a.safetensors", {name: TENSORS[name] + 1 for name in (UP, DOWN)})
    write_index(d, {**weight_map, UP: "a.safetensors"})


@variant("the index says that this file holds it", refused=True)
def tensor_that_no_shard_holds(d):
    weight_map = write_shards(d, {name: value for name, value in TENSORS.items() if name != UP})
    write_index(d, {**weight_map, UP: shard(1)})


@variant("fetch it", refused=True)
def shard_that_is_missing(d):
    write_shards(d)
    os.remove(os.path.join(d, shard(2)))


@variant("bare file name", refused=True)
def shards_in_a_folder(d):
    os.makedirs(os.path.join(d, "shards"))
    save(d, "shards/a.safetensors", TENSORS)
    write_index(d, {name: "shards/a.safetensors" for name in TENSORS})


@variant("incomplete", refused=True)
def shard_that_is_cut_short(d):
    write_shards(d)
    path = os.path.join(d, shard(2))
    open(path, "r+b").truncate(os.path.getsize(path) - 10)


@variant()
def index_without_metadata(d):  # transformers raises a KeyError
    weight_map = write_shards(d)
    json.dump({"weight_map": weight_map}, open(os.path.join(d, INDEX), "w"))


@variant("weight_map", refused=True)
def index_without_a_map(d):
    write_shards(d)
    json.dump({"metadata": {}}, open(os.path.join(d, INDEX), "w"))


# --- eight-bit floats


def in_blocks(value, rows, columns, dtype=torch.float8_e4m3fn, scale_dtype=torch.float32):
    """Weights in FP8, and the scales of their blocks; blocks at the edges may be smaller."""
    largest = torch.finfo(dtype).max
    grid = [-(-value.shape[0] // rows), -(-value.shape[1] // columns)]
    scales = torch.zeros(grid)
    for i in range(grid[0]):
        for j in range(grid[1]):
            block = value[i * rows:(i + 1) * rows, j * columns:(j + 1) * columns].float()
            scales[i, j] = block.abs().max() / largest
    scales = scales.to(scale_dtype)
    if scale_dtype == torch.float8_e8m0fnu:
        scales = (scales.float() * 2).to(scale_dtype)  # rounded to nearest, it might be too small
    wide = scales.float().repeat_interleave(rows, 0).repeat_interleave(columns, 1)
    return (value.float() / wide[:value.shape[0], :value.shape[1]]).clamp(-largest, largest).to(dtype), scales


def float8(tensors, rows=32, columns=32, suffix="_scale_inv", **kind):
    result = {}
    for name, value in tensors.items():
        if not IS_LINEAR[name]:
            result[name] = value
            continue
        codes, scales = in_blocks(value, rows or value.shape[0], columns or value.shape[1], **kind)
        scale_name = name + suffix if suffix.startswith("_") else name.removesuffix(".weight") + suffix
        result[name] = codes
        result[scale_name] = scales if rows or columns else scales.reshape(())
    return result


def fp8_config(d, block=(32, 32), **changes):
    quantisation = {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3"}
    if block:
        quantisation["weight_block_size"] = list(block)
    write_config(d, quantization_config={**quantisation, **changes})


@variant("blocks of 32 x 32")
def fp8_blocks(d):
    save(d, "model.safetensors", float8(TENSORS))
    fp8_config(d)


@variant("blocks of 32 x 32")
def fp8_blocks_in_shards_apart_from_their_scales(d):
    tensors = float8(TENSORS)
    weights = {name: value for name, value in tensors.items() if not name.endswith("_scale_inv")}
    scales = {name: value for name, value in tensors.items() if name.endswith("_scale_inv")}
    save(d, shard(1), scales)
    save(d, shard(2), weights)
    write_index(d, {**{n: shard(1) for n in scales}, **{n: shard(2) for n in weights}})
    fp8_config(d)


@variant("blocks of 32 x 32")
def fp8_blocks_with_bf16_scales(d):
    save(d, "model.safetensors", float8(TENSORS, scale_dtype=torch.bfloat16))
    fp8_config(d)


@variant("F8_E5M2")
def fp8_e5m2_blocks(d):
    save(d, "model.safetensors", float8(TENSORS, dtype=torch.float8_e5m2))
    fp8_config(d)


@variant("blocks of 1 x 32")
def fp8_microscaled(d):
    save(d, "model.safetensors", float8(TENSORS, 1, 32, scale_dtype=torch.float8_e8m0fnu))
    fp8_config(d, (1, 32), quant_method="mxfp8", scale_fmt="ue8m0")


@variant("by their scales")
def fp8_scale_per_tensor(d):
    save(d, "model.safetensors", float8(TENSORS, None, None))
    fp8_config(d, None)


@variant("scales for each row")
def fp8_scale_per_row(d):
    save(d, "model.safetensors", float8(TENSORS, 1, None))
    fp8_config(d, None)


@variant("blocks of 32 x 32")
def fp8_scales_called_scale(d):
    save(d, "model.safetensors", float8(TENSORS, suffix=".scale"))
    fp8_config(d)


@variant("blocks of 32 x 32")
def fp8_scales_called_qscale(d):
    save(d, "model.safetensors", float8(TENSORS, suffix=".qscale_weight"))
    fp8_config(d)


@variant("scales of activations are left out")
def fp8_with_scales_of_activations(d):
    tensors = float8(TENSORS, None, None)
    tensors.update({name.replace("weight_scale_inv", "activation_scale"): torch.tensor(1.0)
                    for name in tensors if name.endswith("_scale_inv")})
    save(d, "model.safetensors", tensors)
    fp8_config(d, None, activation_scheme="static")


@variant("are decoded")
def fp8_beside_bf16(d):
    tensors = float8(TENSORS)
    for name in list(tensors):
        if "self_attn" in name:
            tensors.pop(name)
    tensors.update({name: value for name, value in TENSORS.items() if "self_attn" in name})
    save(d, "model.safetensors", tensors)
    fp8_config(d, modules_to_not_convert=[f"model.layers.{i}.self_attn.{p}_proj" for i in (0, 1) for p in "qkvo"])


@variant("decoded to F16")
def fp8_of_a_model_in_f16(d):
    save(d, "model.safetensors", float8({n: v.half() for n, v in TENSORS.items()}))
    fp8_config(d)
    path = os.path.join(d, "config.json")
    config = json.load(open(path))
    config["dtype"] = "float16"
    json.dump(config, open(path, "w"))


@variant("without scales")
def fp8_without_a_quantisation_config(d):
    save(d, "model.safetensors", {n: v.to(torch.float8_e4m3fn) if IS_LINEAR[n] else v for n, v in TENSORS.items()})


def compressed_tensors_config(d, strategy):
    weights = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": strategy, "dynamic": False}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": None}
    write_config(d, quantization_config={
        "quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed",
        "ignore": ["lm_head"], "config_groups": {"group_0": group}})


@variant("scales for each row", needs="compressed_tensors")
def compressed_tensors_channels(d):
    save(d, "model.safetensors", float8(TENSORS, 1, None, "_scale", scale_dtype=torch.bfloat16))
    compressed_tensors_config(d, "channel")


@variant("scales for each row", needs="compressed_tensors")
def compressed_tensors_channels_in_f16(d):
    save(d, "model.safetensors", float8(TENSORS, 1, None, "_scale", scale_dtype=torch.float16))
    compressed_tensors_config(d, "channel")


@variant("by their scales", needs="compressed_tensors")
def compressed_tensors_tensor(d):
    tensors = float8(TENSORS, None, None, "_scale")
    save(d, "model.safetensors", {n: v.reshape(1) if n.endswith("_scale") else v for n, v in tensors.items()})
    compressed_tensors_config(d, "tensor")


@variant("taken as F32")
def float64(d):
    save(d, "model.safetensors", {name: value.double() for name, value in TENSORS.items()})
    write_config(d)
    path = os.path.join(d, "config.json")
    config = json.load(open(path))
    config["dtype"] = "float64"
    json.dump(config, open(path, "w"))


# --- damaged scales


def damaged(change, words):
    def write(d):
        tensors = float8(TENSORS)
        change(tensors)
        save(d, "model.safetensors", tensors)
        fp8_config(d)

    write.__name__ = change.__name__
    return variant(words, refused=True)(write)


def fp8_scales_missing(tensors):
    del tensors[UP + "_scale_inv"]


def fp8_scales_of_wrong_shape(tensors):
    tensors[UP + "_scale_inv"] = torch.ones(3, 7)


def fp8_scales_of_wrong_dtype(tensors):
    tensors[UP + "_scale_inv"] = torch.ones(5, 2, dtype=torch.int32)


def fp8_scales_not_a_number(tensors):
    tensors[UP + "_scale_inv"][1, 1] = float("nan")


def fp8_scales_infinite(tensors):
    tensors[UP + "_scale_inv"][4, 0] = float("inf")


damaged(fp8_scales_missing, "missing")
damaged(fp8_scales_of_wrong_shape, "shape [3, 7]")
damaged(fp8_scales_of_wrong_dtype, "scales in I32")
damaged(fp8_scales_not_a_number, "not finite")
damaged(fp8_scales_infinite, "not finite")


# --- other programs' formats, which compress names; linear weights only


def packed(name, method, tensors, words):
    def write(d):
        result = {n: v for n, v in TENSORS.items() if not IS_LINEAR[n]}
        for linear in (n.removesuffix(".weight") for n in TENSORS if IS_LINEAR[n]):
            result.update({f"{linear}.{n}": v.clone() for n, v in tensors.items()})
        save(d, "model.safetensors", result)
        key = {"mlx": "quantization"}.get(method, "quantization_config")
        write_config(d, **{key: {"quant_method": method, "group_size": 64, "bits": 4}})

    write.__name__ = name
    return variant(words, refused="compress")(write)


I32, U8 = torch.int32, torch.uint8
packed("gptq", "gptq", {"qweight": torch.ones(8, 64, dtype=I32), "scales": torch.ones(1, 64).half(),
                        "qzeros": torch.ones(1, 8, dtype=I32), "g_idx": torch.zeros(64, dtype=I32)}, "GPTQ")
packed("awq", "awq", {"qweight": torch.ones(64, 8, dtype=I32), "scales": torch.ones(1, 64).half(),
                      "qzeros": torch.ones(1, 8, dtype=I32)}, "AWQ")
packed("bitsandbytes_nf4", "bitsandbytes", {"weight": torch.ones(2048, 1, dtype=U8), "weight.absmax": torch.ones(64),
                                            "weight.quant_map": torch.ones(16)}, "bitsandbytes")
packed("bitsandbytes_int8", "bitsandbytes", {"weight": torch.ones(64, 64, dtype=torch.int8), "SCB": torch.ones(64)},
       "bitsandbytes")
packed("mlx", "mlx", {"weight": torch.ones(64, 8, dtype=torch.uint32), "scales": torch.ones(64, 1),
                      "biases": torch.ones(64, 1)}, "MLX")
packed("hqq", "hqq", {"W_q": torch.ones(64, 32, dtype=U8), "scale": torch.ones(64, 1)}, "HQQ")
packed("compressed_tensors_packed", "compressed-tensors",
       {"weight_packed": torch.ones(64, 8, dtype=I32), "weight_scale": torch.ones(64, 1),
        "weight_shape": torch.tensor([64, 64])}, "compressed-tensors")
packed("torchao", "torchao", {"_weight_qdata": torch.ones(64, 64, dtype=torch.int8)}, "TorchAO")


@variant("GGUF", refused=True)
def gguf(d):
    open(os.path.join(d, "model.Q4_K_M.gguf"), "wb").write(b"GGUF")


# --- the comparison


def nwcodec(*arguments):
    run = subprocess.run([NW, *arguments, "--threads", "1"], capture_output=True, text=True, errors="replace")
    return run.returncode, run.stderr.strip()


def loaded(directory):
    extra = {}
    config = json.load(open(os.path.join(directory, "config.json")))
    if config.get("quantization_config", {}).get("quant_method") == "compressed-tensors":
        extra["quantization_config"] = transformers.CompressedTensorsConfig(dequantize=True)
    model, info = transformers.AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True, **extra)
    return model.state_dict(), set(info["missing_keys"]) | {str(key) for key in info["mismatched_keys"]}


def differing(a, b):
    """Names of tensors that differ; of the dtypes only the values count, F64 having become F32."""
    return [n for n in a.keys() | b.keys() if n not in a or n not in b or a[n].shape != b[n].shape or
            not torch.equal(a[n].float(), b[n].float())]


def stored(directory):
    files = [f for f in sorted(os.listdir(directory)) if f.endswith(".safetensors")]
    return {name: value for f in files for name, value in load_file(os.path.join(directory, f)).items()}


def outcome(write, words, refused):
    with tempfile.TemporaryDirectory() as folder:
        model, small, plain, real = (os.path.join(folder, n) for n in ("model", "small", "plain", "real"))
        os.makedirs(model)
        write_config(model)
        write(model)
        arguments = [] if refused == "compress" else ["--exclude", "."]
        code, said = nwcodec("compress", model, "-o", small, *arguments)
        one_line = code != 0 and said.count("\n") == 0
        if refused:
            if one_line and words in said:
                return "refused", said.replace(folder + "/", "")
            return "wrong", f"exit {code}, {said}"
        try:
            right, missing = loaded(model)
        except Exception as error:
            right, missing, said_there = None, set(), f"{type(error).__name__}: {error}"[:100]
        if code != 0:
            return "wrong", said.replace(folder + "/", "")
        if words not in said:
            return "wrong", f"'{words}' is not in: {said}"
        code, complaint = nwcodec("decompress", small, "-o", plain, "-q")
        if code != 0:
            return "wrong", complaint
        again, missing_again = loaded(plain)
        if right is None:
            right, missing, note = TENSORS, set(), f"; transformers refuses: {said_there}"
        else:
            note = ""
        if missing or missing_again:
            return "wrong", f"missing: {sorted(missing)[:3]}, {sorted(missing_again)[:3]}"
        wrong = differing(right, again) + differing(right, {n: v for n, v in stored(plain).items() if n in right})
        if wrong:
            return "wrong", f"differ: {sorted(wrong)[:3]}"
        code, complaint = nwcodec("compress", model, "-o", real, "-q")
        if code != 0:
            return "wrong", complaint
        shutil.rmtree(plain)
        code, complaint = nwcodec("decompress", real, "-o", plain, "-q")
        _, missing = loaded(plain) if code == 0 else (None, {complaint})
        if missing:
            return "wrong", f"after compression: {sorted(missing)[:3]}"
        return "right", said.replace(folder + "/", "").replace("\n", " | ")[:160] + note


def main():
    counts = {"right": 0, "refused": 0, "wrong": 0}
    chosen = [v for v in VARIANTS if not sys.argv[1:] or v[0] in sys.argv[1:]]
    for name, write, words, refused, needs in chosen:
        if needs:
            try:
                __import__(needs)
            except ImportError:
                print(f"left out {name}: needs {needs}")
                continue
        result, why = outcome(write, words, refused)
        counts[result] += 1
        print(f"{result:8} {name}: {why}", flush=True)
    print(f"{sum(counts.values())} variants, right {counts['right']}, refused with reason {counts['refused']}, "
          f"wrong {counts['wrong']}")
    return 1 if counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
