"""What the scripts here share: a model's linear weights, and a plain checkpoint in which others have replaced them.

`nwcodec study compare MODEL --methods checkpoint:directory=DIR --bits B` evaluates what replace() writes beside our own
methods: the same texts, one pass of the original, true bits from DIR/peer.json.
"""

import json
import pathlib
import re
import shutil

import torch
from safetensors import safe_open
from safetensors.torch import save_file

LINEAR = re.compile(r"(^|\.)layers\.(\d+)\.(self_attn|mlp)\.\w+_proj\.weight$")


def shards(model):
    """The weight files of a checkpoint directory."""
    index = model / "model.safetensors.index.json"
    if not index.exists():
        return [model / "model.safetensors"]
    return [model / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]


def tensors(model, wanted):
    """(name, float32 tensor) of all tensors whose name `wanted` accepts, one at a time, in the order of the blocks."""
    found = []
    for shard in shards(model):
        with safe_open(shard, "pt") as file:
            found += [(name, shard) for name in file.keys() if wanted(name)]

    def place(entry):
        match = LINEAR.search(entry[0])
        return (int(match.group(2)) if match else -1, entry[0])

    for name, shard in sorted(found, key=place):
        with safe_open(shard, "pt") as file:
            yield name, file.get_tensor(name).float()


def linear_weights(model):
    return tensors(model, lambda name: LINEAR.search(name) is not None)


def mean_squares(hessians):
    """By tensor name: E[x_j^2] of the layer's inputs, from what `nwcodec calibrate` wrote."""
    found = {}
    for path in sorted(pathlib.Path(hessians).glob("hessians-*.safetensors")):
        with safe_open(path, "pt") as file:
            weights = json.loads(file.metadata()["nwcodec.hessians"])["weights"]
            for name, entry in weights.items():
                if not LINEAR.search(name):
                    continue
                triangle = file.get_tensor(f"hessian.{entry['hessian']}")[0]
                n = int(((8 * triangle.numel() + 1) ** 0.5 - 1) / 2)
                i = torch.arange(n)
                found[name] = triangle[i * (i + 3) // 2].float()
    return found


def replace(model, output, decoded, nominal_bits, bits, notes):
    """Writes `model` with the tensors of `decoded` (by name, float32) in place of its own, and peer.json.

    bits: what the peer's own form takes, all together, with scales, padding and the like.
    """
    output.mkdir(parents=True)
    weights = 0
    everything = {}
    for name, original in tensors(model, lambda name: True):
        if name in decoded:
            if decoded[name].shape != original.shape:
                raise ValueError(f"{name}: decoded to {tuple(decoded[name].shape)}, is {tuple(original.shape)}")
            everything[name] = decoded[name].float().contiguous()
            weights += original.numel()
        else:
            everything[name] = original
    save_file(everything, output / "model.safetensors", metadata={"format": "pt"})
    for path in model.iterdir():
        if path.suffix in (".json", ".txt", ".jinja", ".model") and path.name != "model.safetensors.index.json":
            shutil.copy(path, output)
    record = {"nominal_bits": nominal_bits, "bits_per_weight": bits / weights, "weights": weights, "notes": notes}
    (output / "peer.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"{output}: {bits / weights:.4f} bits per weight")
    return record
