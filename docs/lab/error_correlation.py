"""How correlated feedback leaves a layer's errors, and what damping trades for it: progressive.md.

    error_correlation.py HESSIANS       (as nwcodec calibrate writes them, with gradients and the output side)

Errors of a quantiser with ideal feedback have the covariance H^-1 over the columns of a row (and A^-1 over rows). A
coder that knows neither pays the sum of their marginal entropies: more than their joint one by

    1/2 mean log2 diag(H^-1) + 1/2 mean log2 eigenvalues(H)     bits per weight.

With feedback by another matrix H', the layer itself loses 1/2 log2(mean of diag(H H'^-1)) + 1/2 mean log2(H'/H).
Prints both for H' = H + damping times its mean diagonal and A' = A shrunk to its diagonal, averaged over weights.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open

DAMPING = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
SHRINKAGE = (0.0, 0.1, 0.2, 0.4, 0.8)


def matrix(triangle: np.ndarray) -> np.ndarray:
    n = int((np.sqrt(8 * triangle.size + 1) - 1) / 2)
    lower = np.zeros((n, n))
    lower[np.tril_indices(n)] = triangle
    return lower + lower.T - np.diag(np.diag(lower))


def trade(of_model: np.ndarray, of_feedback: np.ndarray) -> np.ndarray:
    """Bits per weight that the layer loses, and that its errors' correlation costs the next."""
    inverse = np.linalg.inv(of_feedback)
    log2 = [np.mean(np.log2(np.linalg.eigvalsh(m))) for m in (of_feedback, of_model)]
    own = 0.5 * np.log2(np.mean(np.sum(of_model * inverse, axis=1))) + 0.5 * (log2[0] - log2[1])
    return np.array([own, 0.5 * np.mean(np.log2(np.diag(inverse))) + 0.5 * log2[0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hessians", type=Path)
    sums: dict[str, np.ndarray] = {}
    total = 0
    for path in sorted(parser.parse_args().hessians.glob("hessians-[0-9]*.safetensors")):
        file = safe_open(path, "numpy")
        for use in json.loads(file.metadata()["nwcodec.hessians"])["weights"].values():
            inputs, outputs = (
                matrix(file.get_tensor(f"fisher.{use['fisher']}.{side}")[0].astype(np.float64))
                for side in ("inputs", "outputs")
            )
            size = len(inputs) * len(outputs)
            total += size
            mean = np.mean(np.diag(inputs)) * np.eye(len(inputs))
            columns = inputs + 0.01 * mean
            diagonal = np.diag(np.maximum(np.diag(outputs), 1e-30))
            rows = 0.8 * outputs + 0.2 * diagonal + 0.1 * np.mean(np.diag(outputs)) * np.eye(len(outputs))
            for d in DAMPING:
                key = f"columns, damping {0.01 + d:.2f}"
                sums[key] = sums.get(key, 0) + size * trade(columns, columns + d * mean)
            for s in SHRINKAGE:
                key = f"rows, shrinkage {1 - 0.8 * (1 - s):.2f}"
                shrunk = (1 - s) * rows + s * np.diag(np.diag(rows))
                sums[key] = sums.get(key, 0) + size * trade(rows, shrunk)
    for key, value in sums.items():
        print(f"{key}: the layer loses {value[0] / total:.3f}, correlation {value[1] / total:.3f} bits per weight")


if __name__ == "__main__":
    main()
