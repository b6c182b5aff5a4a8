#!/usr/bin/env python3
"""The training step of training_bench in PyTorch, bf16 autocast, eager and under torch.compile: the peer it is compared with on a GPU.

usage: training_peer.py [BATCH] [WIDTH] [DEPTH]
"""
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

BATCH, WIDTH, DEPTH = (int(a) for a in (sys.argv[1:] + ["65536", "512", "4"][len(sys.argv) - 1:]))
LEVELS, CHUNK, LATENTS, LAMBDA = 4, 16, 16, 300.0
COEFFICIENTS = [0.29, 0.83, 10.0, 20.0]


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, WIDTH), nn.Linear(WIDTH, outputs)
        self.linears = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(DEPTH))
        self.embedding = nn.Parameter(torch.ones(DEPTH, LEVELS, 1, WIDTH))

    def forward(self, x):
        h = self.first(x)
        for linear, norm, embedding in zip(self.linears, self.norms, self.embedding):
            h = (h + torch.relu(norm(linear(h)))) * embedding
        return self.last(h)


class Density(nn.Module):
    def __init__(self, scales):
        super().__init__()
        sizes, sets = [1, 3, 3, 3, 3, 1], LEVELS * LATENTS
        self.matrices, self.biases, self.factors = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for i in range(5):
            start = [math.log(math.expm1(1 / s ** 0.2 / sizes[i + 1])) for s in scales]
            matrix = torch.tensor(start).view(LEVELS, 1, 1, 1).expand(LEVELS, LATENTS, sizes[i + 1], sizes[i]).reshape(sets, sizes[i + 1], sizes[i])
            self.matrices.append(nn.Parameter(matrix.clone()))
            self.biases.append(nn.Parameter(torch.rand(sets, sizes[i + 1], 1) - 0.5))
            if i < 4:
                self.factors.append(nn.Parameter(torch.zeros(sets, sizes[i + 1], 1)))
        quantiles = torch.tensor([[-s, 0.0, s] for s in scales]).view(LEVELS, 1, 3).expand(LEVELS, LATENTS, 3)
        self.quantiles = nn.Parameter(quantiles.reshape(sets, 3).clone())

    def logits(self, v, detach=False):
        keep = (lambda t: t.detach()) if detach else (lambda t: t)
        for i in range(5):
            v = torch.bmm(F.softplus(keep(self.matrices[i])), v) + keep(self.biases[i])
            if i < 4:
                v = v + torch.tanh(keep(self.factors[i])) * torch.tanh(v)
        return v

    def likelihood(self, z):
        v = z.transpose(1, 2).reshape(LEVELS * LATENTS, 1, -1)
        lower, upper = self.logits(v - 0.5), self.logits(v + 0.5)
        sign = -torch.sign(lower + upper).detach()
        p = (torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower)).abs().clamp_min(1e-9)
        return p.view(LEVELS, LATENTS, -1).transpose(1, 2)

    def auxiliary(self):
        t = math.log(2e9 - 1)
        return (self.logits(self.quantiles.unsqueeze(1), True).squeeze(1) - torch.tensor([-t, 0.0, t], device=self.quantiles.device)).abs().sum()


def measure(compiled):
    torch.manual_seed(1)
    analysis, synthesis, density = Net(CHUNK, LATENTS).cuda(), Net(LATENTS, CHUNK).cuda(), Density([8, 12, 40, 60]).cuda()
    coefficients = torch.tensor(COEFFICIENTS, device="cuda").view(LEVELS, 1)
    training = torch.randn(1 << 20, CHUNK, device="cuda")
    networks = list(analysis.parameters()) + list(synthesis.parameters()) + [p for n, p in density.named_parameters() if n != "quantiles"]
    optimizer = torch.optim.Adam(networks, 1e-4, fused=True)
    auxiliary = torch.optim.Adam([density.quantiles], 1e-3, fused=True)

    def loss_of(x):
        with torch.autocast("cuda", torch.bfloat16):
            z = analysis(x)
        noisy = z.float() + torch.rand(z.shape, device="cuda") - 0.5
        bits = -density.likelihood(noisy).log2().sum(2) / CHUNK
        with torch.autocast("cuda", torch.bfloat16):
            y = synthesis(noisy)
        return (bits / coefficients + LAMBDA * (y.float() - x).square().mean(2)).mean()

    aux_of = density.auxiliary
    if compiled:
        loss_of, aux_of = torch.compile(loss_of), torch.compile(aux_of)

    def step():
        x = training[torch.randint(training.shape[0], (BATCH,), device="cuda")].view(LEVELS, BATCH // LEVELS, CHUNK)
        loss = loss_of(x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        auxiliary.zero_grad(set_to_none=True)
        aux_of().backward()
        auxiliary.step()
        return loss

    for _ in range(15):
        step()
    torch.cuda.synchronize()
    begin, steps = time.perf_counter(), 60
    for _ in range(steps):
        loss = step()
    torch.cuda.synchronize()
    rate = steps / (time.perf_counter() - begin)
    print(f"PyTorch {torch.__version__} {'torch.compile' if compiled else 'eager'} bf16 autocast {WIDTH}x{DEPTH} batch {BATCH}: {rate:.1f} steps/s, "
          f"{1e3 / rate:.2f} ms, loss {loss.item():.4f}", flush=True)


measure(False)
measure(True)
