"""Weights that no trained model should have, and some do; see names_values.py."""
import json
import math

import torch

from name_variants import published
from names_values_common import *

P = "model.layers.0.mlp.up_proj.weight"
ROWS, COLUMNS, ORDINARY = 64, 48, 0.02


def ordinary(seed=1):
    return torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(seed)) * ORDINARY


def compressed_and_back(name, tensors, options=(), back=()):
    directory = write(name, tensors, {"model_type": "llama", "dtype": "float32"})
    code, _, messages = run("compress", directory, "-o", directory + ".c", "--threads", 1, *options)
    if code != 0:
        return None, messages
    code, _, more = run("decompress", directory + ".c", "-o", directory + ".p", *back)
    return (tensors_of(directory + ".p") if code == 0 else None), "\n".join(filter(None, (messages, more)))


def column_errors(x, y):
    x, y = x.double(), y.double()
    energy = (x * x).sum(0)
    return torch.where(energy > 0, ((y - x) ** 2).sum(0) / energy, (y * y).sum(0))


def survives(name, x, named, columns=None, options=()):
    """Columns keep an ordinary error (or are exact). `named`: whether a line must name the tensor."""
    def check():
        back, messages = compressed_and_back(name, {P: x, "model.layers.1.mlp.up_proj.weight": ordinary(2)}, options)
        if back is None:
            return WRONG, messages
        errors = column_errors(x.float(), back[P].float())
        worst = errors[columns].max().item() if columns is not None else errors.max().item()
        said = P in messages
        ok = worst < 0.02 and said == named and torch.isfinite(back[P]).all()
        return (RIGHT if ok else WRONG), "worst column error %.2g%s" % (worst, "; " + messages if messages else "")
    VARIANTS.append((name, check))


def with_weight(value):
    x = ordinary()
    x[7, 9] = value
    return x


for value in (1e5, 1e9, 1e12, -1e15, 1e18, 1e30, 3.4e38):
    survives("values-one-weight-of-%g" % value, with_weight(value), named=True)
survives("values-one-weight-of-1", with_weight(1.0), named=False, columns=[c for c in range(COLUMNS) if c != 9])
rows = ordinary()
rows[5] *= 1e12
survives("values-garbage-row", rows, named=True)
columns = ordinary()
columns[:, 5] *= 1e12
survives("values-garbage-column", columns, named=True)
large_column = ordinary()
large_column[:, 5] *= 1e4
survives("values-large-column", large_column, named=False)
switched_off = ordinary()
switched_off[:, :12] *= 1e-25
survives("values-inputs-switched-off", switched_off, named=False, columns=list(range(12, COLUMNS)))
survives("values-denormal-f32", ordinary() * 1e-39, named=False)
survives("values-denormal-bf16", (ordinary() * 1e-38).bfloat16(), named=False)
survives("values-f32-beyond-bf16", (ordinary().double() * 1.1e39).float(), named=False)
survives("values-small-f16", (ordinary() * 1e-3).half(), named=False)
survives("values-all-zero", torch.zeros(ROWS, COLUMNS), named=False)
survives("values-minus-zero", -torch.zeros(ROWS, COLUMNS), named=False)
survives("values-constant", torch.full((ROWS, COLUMNS), -0.3), named=False)
zero_lines = ordinary()
zero_lines[:, 3] = 0
zero_lines[8:24] = 0
survives("values-zero-rows-and-columns", zero_lines, named=False)


def refused(name, value, options=(), words_wanted=(P, "[7, 9]")):
    def check():
        back, messages = compressed_and_back(name, {P: with_weight(value), "model.layers.1.mlp.up_proj.weight":
                                                    ordinary(2)}, options)
        if back is None:
            ok = all(word in messages for word in words_wanted)
            return (REFUSED if ok and not options else WRONG), messages
        same = torch.equal(torch.nan_to_num(back[P], nan=7e5), torch.nan_to_num(with_weight(value), nan=7e5))
        return (RIGHT if same and P in messages and options else WRONG), messages
    VARIANTS.append((name, check))


for value in (math.nan, math.inf, -math.inf):
    refused("values-weight-%s" % value, value)
    refused("values-weight-%s-kept" % value, value, options=("--keep-nonfinite",))


def narrowed(name, x, dtype, counts):
    """decompress --dtype: the line has the tensor and the numbers, and config.json says the dtype."""
    def check():
        back, messages = compressed_and_back(name, {P: x, "model.norm.weight": torch.ones(4)}, (), ("--dtype", dtype))
        if back is None:
            return WRONG, messages
        with open(path(name) + ".p/config.json") as file:
            said = json.load(file)["dtype"]
        wanted = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}[dtype]
        ok = said == wanted and all(str(c) in messages for c in counts) and (P in messages) == bool(counts)
        return (RIGHT if ok else WRONG), "dtype %s; %s" % (said, messages or "no warning")
    VARIANTS.append((name, check))


narrowed("values-too-large-for-f16", torch.full((ROWS, COLUMNS), 1e6), "F16", [ROWS * COLUMNS, "too large"])
narrowed("values-too-small-for-f16", torch.full((ROWS, COLUMNS), 1e-9), "F16", [ROWS * COLUMNS, "too small"])
narrowed("values-too-large-for-bf16", torch.full((ROWS, COLUMNS), 3.4028e38), "BF16", ["too large"])
narrowed("values-fit-f16", ordinary(), "F16", [])
narrowed("values-fit-bf16", ordinary(), "BF16", [])
narrowed("values-fit-f32", ordinary().bfloat16(), "F32", [])


def stops(name, change, wanted):
    """calibrate stops where activations are not finite, and says where."""
    def check():
        tensors, config, _ = published("llama")
        changed = dict(tensors)
        change(changed)
        directory = write(name, changed, config)
        code, _, messages = run("calibrate", directory, "--text", TEXT, "-o", path(name + "-h"), "--sequences", 2,
                                "--length", 32, "-q", "--threads", 1)
        ok = code == 1 and all(word in messages for word in wanted)
        return (REFUSED if ok else WRONG), "exit %d: %s" % (code, messages)
    VARIANTS.append((name, check))


def times(factor, *names):
    return lambda tensors: tensors.update({n: tensors[n] * factor for n in names})


def put(name, place, value):
    def change(tensors):
        tensors[name] = tensors[name].clone()
        tensors[name][place] = value
    return change


MLP = "model.layers.1.mlp."
stops("calibrate-overflow", times(1e25, MLP + "up_proj.weight", MLP + "gate_proj.weight"),
      ["block 1", "sequence 1", MLP + "down_proj.weight", "largest weight"])
stops("calibrate-nan-in-a-norm", put("model.layers.0.input_layernorm.weight", 3, math.nan),
      ["block 0", "sequence 1", "self_attn.q_proj.weight", "repair 'model.layers.0.input_layernorm.weight'"])
stops("calibrate-infinity-in-a-weight", put("model.layers.1.self_attn.o_proj.weight", (2, 2), math.inf),
      ["block 1", "sequence 1", "repair 'model.layers.1.self_attn.o_proj.weight'"])
stops("calibrate-nan-in-the-embedding", lambda tensors: tensors.update(
    {"model.embed_tokens.weight": torch.full_like(tensors["model.embed_tokens.weight"], math.nan)}),
      ["sequence 1", "tensor 'model.embed_tokens.weight'"])
stops("calibrate-too-large-for-hessians", times(1e22, "model.layers.1.post_attention_layernorm.weight"),
      ["block 1", "too much for a Hessian", MLP + "gate_proj.weight"])
