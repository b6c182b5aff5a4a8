#!/usr/bin/env python3
"""Compares `nwcodec eval --tasks` with lm-evaluation-harness, item by item, and their times.

usage: tasks_peer.py NWCODEC MODEL FILE.jsonl... [--limit N] [--threads N] [--device cpu|cuda] [--batch-size N]

Both score the first N items of each file in float32: lm_eval.models.huggingface.HFLM.loglikelihood() on the same pairs
(context, " " + choice), in batches. Prints, per file, items, accuracies, how many choices differ, how many of those are
of items whose two best log-likelihoods (lm-evaluation-harness's) lie at least 1e-3 apart, the largest difference of a
log-likelihood, and the processor and wall seconds of both, loading of the model included for nwcodec only. Ends with 1
if any such choice differs. Needs lm_eval, transformers and torch.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

CLEAR = 1e-3


def seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def timed(who, work):
    begun, processor = time.time(), seconds(who)
    result = work()
    return result, seconds(who) - processor, time.time() - begun


def pairs_of(item):
    if "context_options" in item:
        return [(context, " " + item["continuation"]) for context in item["context_options"]]
    return [(item["context"], " " + choice) for choice in item["choices"]]


def lengths_of(item):
    return [len(text) for text in item.get("context_options", item.get("choices"))]


def best(values):
    return values.index(max(values))


def by_harness(lm, items):
    requests = [Instance("loglikelihood", item, pair, 0) for item in items for pair in pairs_of(item)]
    values = iter([value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)])
    return [[next(values) for _ in pairs_of(item)] for item in items]


def by_nwcodec(arguments, path, folder):
    out = pathlib.Path(folder) / "items.jsonl"
    command = [
        arguments.nwcodec,
        "eval",
        arguments.model,
        "--tasks",
        str(path),
        "--limit",
        str(arguments.limit),
        "--items",
        str(out),
        "--threads",
        str(arguments.threads),
        "--device",
        arguments.device,
        "--quiet",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line)["log_likelihoods"] for line in out.read_text().splitlines()]


def compare(path, arguments, lm, folder):
    lines = path.read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines[: arguments.limit or None]]
    ours, our_processor, our_wall = timed(resource.RUSAGE_CHILDREN, lambda: by_nwcodec(arguments, path, folder))
    theirs, their_processor, their_wall = timed(resource.RUSAGE_SELF, lambda: by_harness(lm, items))
    differ = clear = right_ours = right_theirs = norm_differ = 0
    worst = 0.0
    for item, a, b in zip(items, ours, theirs, strict=True):
        worst = max(worst, *(abs(x - y) for x, y in zip(a, b, strict=True)))
        first, second = sorted(b)[::-1][:2] if len(b) > 1 else (0, -1)
        right_ours += best(a) == item["label"]
        right_theirs += best(b) == item["label"]
        if best(a) != best(b):
            differ += 1
            clear += first - second >= CLEAR
        lengths = lengths_of(item)
        norm_differ += best([x / n for x, n in zip(a, lengths)]) != best([x / n for x, n in zip(b, lengths)])
    print(
        f"{path.stem:14} {len(items):5} items  acc {right_ours / len(items):.4f} {right_theirs / len(items):.4f}  "
        f"choices differ {differ} (clear {clear}, acc_norm {norm_differ})  log-likelihoods within {worst:.1e}  "
        f"processor {our_processor:.1f} s against {their_processor:.1f} s, wall {our_wall:.1f} against "
        f"{their_wall:.1f}",
        flush=True,
    )
    return clear, our_processor, their_processor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nwcodec")
    parser.add_argument("model")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    lm = HFLM(pretrained=arguments.model, dtype="float32", device=arguments.device, batch_size=arguments.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(path, arguments, lm, folder) for path in arguments.files]
    clear, ours, theirs = (sum(column) for column in zip(*results))
    print(
        f"all: clear choices that differ {clear}; processor {ours:.1f} s against {theirs:.1f} s, {theirs / ours:.2f} "
        "times as fast"
    )
    sys.exit(clear > 0)


if __name__ == "__main__":
    main()
