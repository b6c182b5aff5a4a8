#!/usr/bin/env python3
"""Writes expected.json: what lm-evaluation-harness gives for the task files beside it with models/demo.

usage: make.py
Needs lm_eval 0.4.13, transformers 5.24 and torch 2.15 (CPU). The prompts are its own: context and " " + choice; for
context_options the continuation behind each. Scores are those of ConfigurableTask.process_results(): the first highest
log-likelihood, for acc_norm divided by the characters of the choice, or of the context option.
"""

import json
import pathlib

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

HERE = pathlib.Path(__file__).resolve().parent
MODEL = HERE.parents[2] / "models" / "demo"


def main():
    torch.set_num_threads(1)
    lm = HFLM(pretrained=str(MODEL), dtype="float32", device="cpu", batch_size=4)
    expected = {}
    for path in sorted(HERE.glob("*.jsonl")):
        expected[path.stem] = items = []
        for line in path.read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            if "context_options" in item:
                pairs = [(context, " " + item["continuation"]) for context in item["context_options"]]
                lengths = [len(context) for context in item["context_options"]]
            else:
                pairs = [(item["context"], " " + choice) for choice in item["choices"]]
                lengths = [len(choice) for choice in item["choices"]]
            requests = [Instance("loglikelihood", item, pair, 0) for pair in pairs]
            values = [value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)]
            per_character = [value / length for value, length in zip(values, lengths, strict=True)]
            items.append(
                {
                    "log_likelihoods": values,
                    "choice": values.index(max(values)),
                    "choice_norm": per_character.index(max(per_character)),
                }
            )
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
