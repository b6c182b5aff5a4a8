#!/usr/bin/env python3
"""Times `nwcodec eval --reference` beside the same in transformers, in one run.

usage: divergence_peer.py NWCODEC REFERENCE CANDIDATE TEXT [--context N] [--windows N] [--threads N]

Both score the same windows in float32 on the CPU: perplexities of both models and the mean KL divergence of their
next-token distributions. Prints both results, and processor and wall seconds; those of nwcodec include loading the
models and tokenising the whole text, those of transformers do not. Needs transformers and torch.
"""

import argparse
import json
import math
import pathlib
import resource
import subprocess
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def timed(who, work):
    begun, processor = time.time(), seconds(who)
    result = work()
    return result, seconds(who) - processor, time.time() - begun


def by_transformers(reference, candidate, ids, arguments):
    kl, nll = [], []
    with torch.no_grad():
        for window in range(arguments.windows):
            x = ids[window * arguments.context : (window + 1) * arguments.context][None]
            p = torch.log_softmax(reference(x).logits[0, :-1], -1)
            q = torch.log_softmax(candidate(x).logits[0, :-1], -1)
            kl.append((p.exp() * (p - q)).sum(-1).mean().item())
            nll.append(-q.gather(1, x[0, 1:, None]).mean().item())
    return math.exp(sum(nll) / len(nll)), sum(kl) / len(kl)


def by_nwcodec(arguments):
    command = [
        arguments.nwcodec,
        "eval",
        arguments.candidate,
        "--reference",
        arguments.reference,
        "--text",
        arguments.text,
        "--context",
        str(arguments.context),
        "--windows",
        str(arguments.windows),
        "--threads",
        str(arguments.threads),
        "--json",
        "--quiet",
    ]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["perplexity"], report["kl_divergence"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nwcodec", "reference", "candidate", "text"):
        parser.add_argument(name)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    text = pathlib.Path(arguments.text).read_text(encoding="utf-8")
    ids = AutoTokenizer.from_pretrained(arguments.reference)(text, return_tensors="pt").input_ids[0]
    reference, candidate = (
        AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
        for directory in (arguments.reference, arguments.candidate)
    )
    runs = {
        "nwcodec": timed(resource.RUSAGE_CHILDREN, lambda: by_nwcodec(arguments)),
        "transformers": timed(resource.RUSAGE_SELF, lambda: by_transformers(reference, candidate, ids, arguments)),
    }
    for name, ((perplexity, kl), processor, wall) in runs.items():
        print(
            f"{name:13} perplexity {perplexity:.5f}  KL divergence {kl:.7f}  processor {processor:.1f} s, "
            f"{processor / arguments.windows:.1f} s a window  wall {wall:.1f} s"
        )
    print(f"processor time of nwcodec: {runs['nwcodec'][1] / runs['transformers'][1]:.2f} of transformers'")


if __name__ == "__main__":
    main()
