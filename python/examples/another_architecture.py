"""Calibrates and compresses a model of an architecture that the C++ program does not run, here GPT-NeoX.

usage: another_architecture.py WORK_DIR
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPTNeoXConfig

import nwcodec
import nwcodec.hf  # noqa: F401 - before from_pretrained

work = Path(sys.argv[1])
torch.manual_seed(1)
config = GPTNeoXConfig(
    hidden_size=128, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, vocab_size=320
)
AutoModelForCausalLM.from_config(config).save_pretrained(work / "model")

model = AutoModelForCausalLM.from_pretrained(work / "model")
batches = [torch.randint(0, 320, (1, 64), generator=torch.Generator().manual_seed(i)) for i in range(8)]
print(nwcodec.calibrate(model, batches, work / "hessians"))
nwcodec.compress(work / "model", work / "small", bits=4, hessians=work / "hessians")

small = AutoModelForCausalLM.from_pretrained(work / "small")
with torch.no_grad():
    expected, found = model(batches[0]).logits, small(batches[0]).logits
error = ((found - expected).norm() / expected.norm()).item()
print(f"relative error of the logits {error:.4f}")
assert error < 0.2
