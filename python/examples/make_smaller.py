"""Makes the demo model smaller: calibrated at 3 bits a weight, and measured against the original.

usage: make_smaller.py WORK_DIR
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import nwcodec
import nwcodec.hf  # noqa: F401 - before from_pretrained
from nwcodec.calibration import draw_sequences

work = Path(sys.argv[1])
models = Path(__file__).resolve().parents[2] / "models"
original = AutoModelForCausalLM.from_pretrained(models / "demo", dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(models / "demo")
ids = tokenizer((models / "demo-text.txt").read_text(), add_special_tokens=False).input_ids

# The last quarter of the text is kept for measuring.
split = 3 * len(ids) // 4
nwcodec.calibrate(original, draw_sequences(ids[:split], length=128, count=32), work / "hessians")
report = nwcodec.compress(models / "demo", work / "small", bits=3, hessians=work / "hessians")
print(f"{report['input_bytes']} -> {report['output_bytes']} bytes")

small = AutoModelForCausalLM.from_pretrained(work / "small", dtype=torch.float32)
measured = nwcodec.evaluate(small, ids[split:], reference=original, context=128)
print({key: round(value, 4) for key, value in measured.items()})
assert measured["kl_divergence"] < 0.1, measured
