"""A compressed model whose blocks are spread over several GPUs, each decoding its own.

usage: several_gpus.py WORK_DIR

With several GPUs, consecutive blocks go to each in turn, embedding and first blocks to the first, norm and head to the
last; `device_map="auto"` leaves the choice to accelerate, which has to be installed either way. Without GPUs everything
is on the CPU. So the tests run it; they try the map, but not the way of activations from one GPU to the next.
"""

import sys
from pathlib import Path

import torch
import transformers

import nwcodec
import nwcodec.hf  # noqa: F401  registers the quantisation method with transformers


def spread_over(devices: list[str], blocks: int) -> dict[str, str]:
    """The device of each module of a decoder in Llama's layout: equal runs of blocks."""
    places = {"model.embed_tokens": devices[0], "model.rotary_emb": devices[0]}
    for block in range(blocks):
        places[f"model.layers.{block}"] = devices[block * len(devices) // blocks]
    return places | {"model.norm": devices[-1], "lm_head": devices[-1]}


work = Path(sys.argv[1])
demo = Path(__file__).resolve().parents[2] / "models" / "demo"
nwcodec.compress(demo, work / "small", bits=4)
config = transformers.AutoConfig.from_pretrained(work / "small")
devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())] or ["cpu"]
places = spread_over(devices, config.num_hidden_layers)
if config.tie_word_embeddings:
    places["lm_head"] = places["model.embed_tokens"]  # one tensor, one device
load = transformers.AutoModelForCausalLM.from_pretrained
spread = load(work / "small", dtype=torch.float32, device_map=places)
found = {str(p.device) for p in spread.parameters()}
print(f"parameters are on {', '.join(sorted(found))}; asked for {', '.join(devices)}")
if found != set(devices):
    raise SystemExit("not every device has a part of the model")

# The same as on one device: exactly where that is the CPU, else but for the order of sums.
whole = load(work / "small", dtype=torch.float32)
ids = torch.arange(1, 33)[None]
with torch.no_grad():
    difference = (spread(ids.to(devices[0])).logits.cpu() - whole(ids).logits).abs().max().item()
print(f"largest difference of logits from one device: {difference:.3g}")
if difference > (0 if devices == ["cpu"] else 1e-3):
    raise SystemExit("the logits differ")
