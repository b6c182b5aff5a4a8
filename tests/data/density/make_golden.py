#!/usr/bin/env python3
"""Write compressai.safetensors: a factorised density with random parameters, and what CompressAI's EntropyBottleneck says of it.

usage: make_golden.py OUTPUT        needs torch, compressai, safetensors
"""
import sys

import torch
from compressai.entropy_models import EntropyBottleneck
from safetensors.torch import save_file

CHANNELS, POINTS, REACH = 16, 257, 400

torch.manual_seed(20)
model = EntropyBottleneck(CHANNELS, tail_mass=1e-9, init_scale=6.0, filters=(3, 3, 3, 3))
with torch.no_grad():
    for name, p in model.named_parameters():
        spread = {"matrices": 0.3, "biases": 1.0, "factors": 0.8, "quantiles": 2.0}[name.split(".")[0]]
        p += spread * torch.randn_like(p)
# Parameters are binary32, as codecs store them; the arithmetic is binary64.
golden = {name: p.detach().clone().contiguous() for name, p in model.named_parameters()}
model = model.double()
model.likelihood_lower_bound = torch.nn.Identity()


def logits(x):
    return model._logits_cumulative(x, stop_gradient=True)


def likelihood(x):  # [channels, n]
    result = model._likelihood(x.unsqueeze(1))
    return (result[0] if isinstance(result, tuple) else result).squeeze(1)


with torch.no_grad():
    x = torch.linspace(-30, 30, POINTS, dtype=torch.float64).repeat(CHANNELS, 1)
    golden["points"] = x.float()
    golden["likelihoods"] = likelihood(golden["points"].double())
    golden["auxiliary_loss"] = model.loss().reshape(1)
    low = torch.full((CHANNELS, 1, 1), -32768.0, dtype=torch.float64)
    high = -low
    for _ in range(60):
        middle = (low + high) / 2
        below = logits(middle) < 0
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    golden["centers"] = ((low + high) / 2).reshape(CHANNELS).float()
    grid = golden["centers"].double()[:, None] + torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    golden["grid_likelihoods"] = likelihood(grid)
save_file(golden, sys.argv[1], metadata={"made_by": "CompressAI EntropyBottleneck", "tail_mass": "1e-9"})
