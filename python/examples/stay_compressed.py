"""Runs a model whose linear layers stay compressed in memory.

usage: stay_compressed.py WORK_DIR
"""

import sys
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

import nwcodec
import nwcodec.hf  # noqa: F401 - before from_pretrained

work = Path(sys.argv[1])
demo = Path(__file__).resolve().parents[2] / "models" / "demo"
nwcodec.compress(demo, work / "small", bits=4)
model = AutoModelForCausalLM.from_pretrained(work / "small", nwcodec_resident="compressed")
inputs = AutoTokenizer.from_pretrained(demo)("Once upon a time", return_tensors="pt")
output = model.generate(**inputs, max_new_tokens=20, do_sample=False)
print(AutoTokenizer.from_pretrained(demo).decode(output[0]))

weights = sum(p.numel() for p in model.parameters())
print(f"{weights} parameters in memory, of {sum(t.size for t in nwcodec.open(work / 'small').values())}")
