"""The extension module. Its functions serve the package; they are no interface."""

from collections.abc import Callable
from typing import Any

import numpy as np

__version__: str
HESSIAN_ENDS_NAME: str
Progress = Callable[[int, int, str], None] | None

def instruction_sets() -> list[str]: ...
def cuda_device_count() -> int: ...
def compress(arguments: CompressArguments, profile: list[str], progress: Progress) -> dict[str, Any]: ...
def decompress(
    input: str,
    output: str,
    dtype: str | None,
    force: bool,
    threads: int,
    layers: int,
    base: str,
    progress: Progress,
) -> dict[str, Any]: ...
def inspect(directory: str, verify: bool, layers: int = 0, base: str = "") -> dict[str, Any]: ...
def hessian_file_name(block: int) -> str: ...
def draw_sequences(ids: np.ndarray, length: int, count: int, seed: int) -> list[int]: ...
def label_quantiles(seed: int, batch: int, count: int) -> list[float]: ...
def xxh3(bytes: np.ndarray) -> int: ...

class Weights:
    directory: str
    is_compressed: bool
    files: list[str]
    warnings: list[str]
    @staticmethod
    def open(directory: str, device: str, layers: int = 0, base: str = "") -> Weights: ...
    def list(self) -> list[tuple[str, str, tuple[int, ...], bool]]: ...
    def read(
        self,
        name: str,
        dtype: str,
        out: np.ndarray,
        matrix: int,
        row_begin: int,
        row_end: int,
        column_begin: int,
        column_end: int,
        whole: bool,
        threads: int,
    ) -> None: ...

class CompressArguments:
    model: str
    output: str
    codecs: list[str]
    bits: float | None
    size: str | None
    include: list[str]
    exclude: list[str]
    hessians: str
    layers: list[float]
    base: str
    base_model: str
    steps: str | None
    feedback: str | None
    normalisation: str | None
    trellis: int | None
    tile_chunks: int | None
    run_groups: int | None
    rate_weight: float | None
    keep_embeddings: bool
    keep_nonfinite: bool
    force: bool
    level: int
    device: str
    threads: int

class HessianFile:
    def add_hessian(self, squares: np.ndarray, tokens: np.ndarray) -> int: ...
    def add_fisher(
        self, inputs: np.ndarray, rows: np.ndarray, outputs: np.ndarray | None, effective: list[float]
    ) -> int: ...
    def add_weight(
        self, name: str, hash: int, hessian: int, fisher: int | None, lookup: int | None, end: bool
    ) -> None: ...
    def write(self, path: str, positions: int, calibration: str) -> None: ...

class Streams:
    """In builds with CUDA only."""

    exact: bool
    @staticmethod
    def open(directory: str, device: int, layers: int, base: str) -> Streams: ...
    def parts(self, name: str) -> int: ...
    def plain_dtype(self, name: str, part: int) -> str: ...
    def part_bytes(self, name: str, part: int) -> int: ...
    def copy_part(self, name: str, part: int, out: np.ndarray) -> None: ...

class ResidentTensor:
    """In builds with CUDA only. Addresses are of the device's memory, but for staging."""

    scratch_bytes: int
    staging_bytes: int
    tiles: int
    @staticmethod
    def plan(streams: Streams, name: str, part: int, stream: int, out: int, dtype: str) -> ResidentTensor: ...
    def upload(self, scratch: int, staging: int, stream: int) -> None: ...
    def decode(self, scratch: int, statuses: int, stream: int) -> None: ...
    def check(self, statuses: np.ndarray) -> None: ...
