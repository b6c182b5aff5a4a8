"""Fine-tunes a small causal language model on a text: what deltas.md measures.

    fine_tune.py MODEL TEXT OUT [--steps 300] [--batch 4] [--length 256] [--rate 1e-4]

Adam, all parameters, linear decay; BF16 files with the tensors' names and shards' order of transformers.
"""

import argparse
import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-4)
    a = parser.parse_args()
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    ids = torch.tensor(tokenizer(a.text.read_text(encoding="utf-8"))["input_ids"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=a.rate, weight_decay=0.0)
    losses = []
    for step in range(a.steps):
        for group in optimiser.param_groups:
            group["lr"] = a.rate * (1 - step / a.steps)
        starts = torch.randint(len(ids) - a.length, (a.batch,))
        batch = torch.stack([ids[s : s + a.length] for s in starts])
        loss = model(input_ids=batch, labels=batch).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % 50 == 49:
            print(f"step {step + 1}: loss {sum(losses[-50:]) / 50:.3f}", flush=True)
    model.to(torch.bfloat16).save_pretrained(a.out)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (a.model / name).exists():
            shutil.copy(a.model / name, a.out)


if __name__ == "__main__":
    main()
