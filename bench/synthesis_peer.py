#!/usr/bin/env python3
"""g_s of the `paper` profile (16 -> 512, four residual blocks, -> 16) in PyTorch, bf16: the peer of cuda_bench's "paper, one 4096x4096".

usage: synthesis_peer.py

The latents of a 4096 x 4096 tensor (1,048,576 chunks) through the network alone: no entropy decoding, no scales. Medians by device events, in
pieces of chunks, of which the fastest counts; 5 runs after 3, and 50 on end.
"""
import torch
import torch.nn.functional as F

LATENTS, WIDTH, DEPTH, CHUNKS = 16, 512, 4, 4096 * 4096 // 16


class Synthesis(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(LATENTS, WIDTH)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(WIDTH) for _ in range(DEPTH))
        self.embeddings = torch.nn.Parameter(torch.ones(DEPTH, WIDTH))
        self.last = torch.nn.Linear(WIDTH, LATENTS)

    def forward(self, z):
        h = self.first(z)
        for linear, norm, embedding in zip(self.blocks, self.norms, self.embeddings):
            h = (h + F.relu(norm(linear(h)))) * embedding
        return self.last(h)


def median(run, repeats):
    times = []
    for i in range(-3, repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        if i >= 0:
            times.append(begin.elapsed_time(end))
    return sorted(times)[repeats // 2]


@torch.no_grad()
def main():
    torch.manual_seed(1)
    network = Synthesis().cuda().bfloat16()
    z = torch.randn(CHUNKS, LATENTS, device="cuda", dtype=torch.bfloat16)
    for name, function in (("eager", network), ("torch.compile", torch.compile(network))):
        best = None
        for piece in (1 << 16, 1 << 18, CHUNKS):
            pieces = z.split(piece)

            def run():
                for p in pieces:
                    function(p)

            time = median(run, 5), median(run, 50), piece
            best = time if best is None else min(best, time)
        print(f"{name}: {best[0]:.2f} ms, on end {best[1]:.2f} ms, pieces of {best[2]} chunks", flush=True)


if __name__ == "__main__":
    main()
