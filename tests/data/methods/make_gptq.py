"""Writes gptq.json: layer errors of GPTQ as GPTQModel computes it, and of a float64 transcription of the paper's
Algorithm 1, on a matrix and a Hessian that src/methods/gptq_test.cc makes from the same formula.

    PYTHONPATH=... python make_gptq.py        # torch, numpy, gptqmodel 7.7.0 (CPU)

Errors are tr(E H E^T) with the undamped Hessian. GPTQModel looks for better zero points at 2 bits, which the paper does
not, so that 2 bits have the transcription alone.
"""

import json
import pathlib

import numpy as np
import torch

ROWS, COLUMNS, GROUP, DAMPING = 32, 256, 128, 0.01


def numbers(seed, count):
    """Uniform in [-1, 1), by a congruential generator that C++ repeats."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) / 2**23 - 1)
    return np.array(out)


def problem():
    weights = numbers(1, 4 * ROWS * COLUMNS).reshape(ROWS, COLUMNS, 4).sum(-1).astype(np.float32)
    sizes = 2.0 ** numbers(2, COLUMNS)
    k = np.arange(COLUMNS)
    hessian = np.outer(sizes, sizes) * 0.9 ** np.abs(k[:, None] - k[None, :])
    return weights, hessian.astype(np.float32).astype(np.float64)


def grid(w, bits, symmetric):
    """Steps and zeros of the rows of w, steps rounded to binary16."""
    low, high = np.minimum(w.min(1), 0), np.maximum(w.max(1), 0)
    if symmetric:
        high = np.maximum(-low, high)
        low = np.where(low < 0, -high, low)
    step = ((high - low) / (2**bits - 1)).astype(np.float16).astype(np.float64)
    zero = np.full_like(step, 2 ** (bits - 1)) if symmetric else np.round(-low / step)
    return step, zero


def paper(weights, hessian, bits, act_order, static, symmetric):
    n = hessian.shape[0]
    order = np.argsort(-np.diag(hessian), kind="stable") if act_order else np.arange(n)
    w = weights.astype(np.float64)[:, order]
    damped = hessian[np.ix_(order, order)] + DAMPING * np.mean(np.diag(hessian)) * np.eye(n)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    fixed = [grid(weights[:, g : g + GROUP].astype(np.float64), bits, symmetric) for g in range(0, n, GROUP)]
    decoded = np.zeros_like(w)
    for p in range(n):
        if static:
            step, zero = fixed[order[p] // GROUP]
        elif p % GROUP == 0:
            step, zero = grid(w[:, p : p + GROUP], bits, symmetric)
        q = np.clip(np.round(w[:, p] / step) + zero, 0, 2**bits - 1)
        decoded[:, p] = step * (q - zero)
        w[:, p + 1 :] -= np.outer((w[:, p] - decoded[:, p]) / upper[p, p], upper[p, p + 1 :])
    back = np.empty_like(decoded)
    back[:, order] = decoded
    return back


def gptqmodel(weights, hessian, bits, act_order, static, symmetric):
    from gptqmodel.quantization import GPTQ, QuantizeConfig

    layer = torch.nn.Linear(COLUMNS, ROWS, bias=False)
    layer.weight.data = torch.tensor(weights)
    config = QuantizeConfig(
        bits=bits,
        group_size=GROUP,
        desc_act=act_order,
        act_group_aware=False,
        static_groups=static,
        sym=symmetric,
        damp_percent=DAMPING,
    )
    job = GPTQ(layer, config)
    job.quantizer.configure(perchannel=True)
    inputs = (np.linalg.cholesky(hessian).T * np.sqrt(COLUMNS)).astype(np.float32)  # whose second moment is the Hessian
    job.add_batch(torch.tensor(inputs)[None], None)
    return job.quantize()[0].numpy().astype(np.float64)


def main():
    weights, hessian = problem()
    cases = []
    for bits in (2, 3, 4):
        for act_order, static, symmetric in ((0, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0, 0)):
            case = {"bits": bits, "act_order": act_order, "static": static, "symmetric": symmetric}
            for name, body in (("paper", paper), ("gptqmodel", gptqmodel)):
                if name == "gptqmodel" and bits == 2 and not symmetric:
                    continue
                error = body(weights, hessian, bits, bool(act_order), bool(static), bool(symmetric)) - weights
                case[name] = float(np.einsum("ri,ij,rj", error, hessian, error))
            cases.append(case)
            print(case)
    out = {"first_weights": weights.ravel()[:3].tolist(), "gptq": cases}
    (pathlib.Path(__file__).parent / "gptq.json").write_text(json.dumps(out, indent=1) + "\n")


main()
