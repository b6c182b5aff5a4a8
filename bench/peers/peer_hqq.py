#!/usr/bin/env python3
"""Quantises a model's linear weights with HQQ, and writes them back as a plain checkpoint.

usage: peer_hqq.py MODEL OUTPUT --bits 3 [--group 64] [--axis 1]

What runs is hqq.core.quantize.Quantizer of hqq 0.2.8.post1 (pip install hqq==0.2.8.post1), in float32 on the CPU,
without data. Bits count codes, and a scale and a zero of 16 bits for each group, as hqq stores them in float16; codes
of 3 bits count 3.2, since hqq packs ten of them into 32 bits.
"""

import argparse
import pathlib

import plain_checkpoint
import torch
from hqq.core.quantize import Quantizer

STORED = {1: 1, 2: 2, 3: 3.2, 4: 4, 8: 8}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--bits", type=int, required=True, choices=sorted(STORED))
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--axis", type=int, default=1, choices=(0, 1))
    a = parser.parse_args()
    decoded, bits = {}, 0.0
    for name, weight in plain_checkpoint.linear_weights(a.model):
        codes, meta = Quantizer.quantize(
            weight,
            nbits=a.bits,
            group_size=a.group,
            axis=a.axis,
            optimize=True,
            round_zero=a.bits == 4,
            device="cpu",
            compute_dtype=torch.float32,
        )
        meta["scale"], meta["zero"] = meta["scale"].half().float(), meta["zero"].half().float()
        decoded[name] = Quantizer.dequantize(codes, meta).reshape(weight.shape)
        bits += weight.numel() * (STORED[a.bits] + 32 / a.group)
    notes = [f"HQQ 0.2.8.post1, groups of {a.group} along axis {a.axis}, without data"]
    plain_checkpoint.replace(a.model, a.output, decoded, a.bits, bits, notes)


if __name__ == "__main__":
    main()
