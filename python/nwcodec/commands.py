"""Compressing, decompressing and inspecting checkpoints."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nwcodec import _nwcodec, plain_files
from nwcodec.errors import ExistsError, InvalidArgumentError, NotFoundError

__all__ = ["compress", "decompress", "inspect", "codec_path", "DEFAULT_CODEC"]

DEFAULT_CODEC = "fast-1000"
Progress = Callable[[int, int, str], None]


def _codecs() -> Path:
    return Path(os.environ.get("NWCODEC_CODECS") or Path(__file__).parent / "codecs")


def codec_path(codec: str | os.PathLike) -> Path:
    """A codec file, given itself or the name of a shipped one ("fast-1000")."""
    if Path(codec).is_file():
        return Path(codec)
    shipped = _codecs() / f"{codec}.safetensors"
    if "/" not in str(codec) and shipped.is_file():
        return shipped
    names = ", ".join(sorted(p.stem for p in _codecs().glob("*.safetensors")))
    raise NotFoundError(f"{codec}: is neither a codec file nor a shipped codec; shipped: {names or 'none'}", str(codec))


def _patterns(given: str | Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _path(given: str | os.PathLike | None) -> str:
    return "" if given is None else str(given)


def _number(layers: int | None) -> int:
    """Of layers, as the library takes it."""
    if layers is not None and layers < 1:
        raise InvalidArgumentError(f"layers are counted from 1, not {layers}")
    return layers or 0


def _folder_beside(output: str | os.PathLike) -> Path:
    """Where tensors in memory stand while they are compressed: a new folder, or one that a killed process has left."""
    folder = Path(f"{os.path.abspath(output)}.tensors")
    mark = folder / ".nwcodec-beside"
    if folder.exists() and not mark.exists():
        raise ExistsError(
            f"{folder}: stands where tensors are put until they are compressed; move it, or choose another output",
            str(folder),
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return folder


def compress(
    model: str | os.PathLike | Mapping[str, Any],
    output: str | os.PathLike,
    *,
    bits: float | None = None,
    size: str | None = None,
    codec: str | os.PathLike | None = None,
    hessians: str | os.PathLike | None = None,
    layers: Iterable[float] = (),
    base: str | os.PathLike | None = None,
    base_model: str | os.PathLike | None = None,
    include: str | Iterable[str] = (),
    exclude: str | Iterable[str] = (),
    steps: str | None = None,
    feedback: str | None = None,
    normalisation: str | None = None,
    trellis: int | None = None,
    rate_weight: float | None = None,
    tile_chunks: int | None = None,
    run_groups: int | None = None,
    keep_embeddings: bool = False,
    keep_nonfinite: bool = False,
    level: int = 0,
    force: bool = False,
    device: str = "cpu",
    threads: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compresses a checkpoint, as `nwcodec compress` does, with the same defaults and the same bytes.

    Args:
        model: a checkpoint directory, or tensors of numpy or PyTorch by name.
        output: the directory to write; an interrupted run of the same options goes on there.
        bits: per compressed weight on disk, with everything.
        size: of all weight files, instead: "4.5GB", "700MiB", "60%".
        codec: a codec file or the name of a shipped one.
        hessians: what `nwcodec.calibrate` or `nwcodec calibrate` wrote.
        layers: instead of a rate, those of a progressive checkpoint: bits of its base, and of all up to each
            refinement, ascending.
        base: a compressed checkpoint; what is stored is the difference from it, at `bits` for each weight that differs.
        base_model: with a base, the model that it was compressed from: tensors that are equal to its cost nothing.
        include, exclude: regular expressions in Perl's syntax, searched in the names of tensors.
        steps, feedback, normalisation, trellis, rate_weight, tile_chunks, run_groups, level: `nwcodec compress --help`.
        keep_embeddings: with steps by sensitivity, leave embedding and head as they are.
        keep_nonfinite: store tensors with NaN plain instead of refusing them.
        force: replace the checkpoint that stands in `output`.
        device: "cpu", or "cuda" or "cuda:NUMBER" in a build with CUDA.
        threads: 0 for all cores. Never changes the output.
        progress: called with what is done, of how much, and what is being worked on. Ctrl-C stops between tensors.

    Returns:
        `input_bytes`, `output_bytes`, `codec`, `gain`, `warnings`, and `tensors`, a dictionary for each compressed one
        (of a progressive checkpoint, of its base); with layers, `layers`: bits and bytes of each prefix of them; with a
        base, `differences`: how many tensors are stored as such, as a whole, and not at all.
    """
    arguments = _nwcodec.CompressArguments()
    arguments.output = str(output)
    arguments.bits, arguments.size = bits, size
    arguments.hessians = _path(hessians)
    arguments.layers = [float(bits) for bits in layers]
    arguments.base, arguments.base_model = _path(base), _path(base_model)
    arguments.include, arguments.exclude = _patterns(include), _patterns(exclude)
    arguments.steps, arguments.feedback, arguments.normalisation = steps, feedback, normalisation
    arguments.trellis, arguments.rate_weight = trellis, rate_weight
    arguments.tile_chunks, arguments.run_groups = tile_chunks, run_groups
    arguments.keep_embeddings, arguments.keep_nonfinite, arguments.force = keep_embeddings, keep_nonfinite, force
    arguments.level, arguments.device, arguments.threads = level, device, threads
    if codec is not None:
        arguments.codecs = [str(codec_path(codec))]
    rate_asked = bits is not None or size is not None or arguments.layers
    profile = [str(p) for p in sorted(_codecs().glob("fast-*.safetensors"))] if rate_asked else []
    profile = profile or [str(codec_path(DEFAULT_CODEC))]
    with contextlib.ExitStack() as stack:
        if isinstance(model, Mapping):
            source = _folder_beside(output)
            stack.callback(shutil.rmtree, source, ignore_errors=True)
            plain_files.write(source, model)
            model = source
        arguments.model = str(model)
        report = _nwcodec.compress(arguments, profile, progress)
    report["tensors"] = [json.loads(t) for t in report["tensors"]]
    return report


def decompress(
    directory: str | os.PathLike,
    output: str | os.PathLike,
    *,
    dtype: str | None = None,
    layers: int | None = None,
    base: str | os.PathLike | None = None,
    force: bool = False,
    threads: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Writes a compressed checkpoint back as a plain one, with the original names, shapes and dtypes.

    Args:
        dtype: F32, F16 or BF16 for all float weights; otherwise each tensor's own.
        layers, base: as for `nwcodec.open`.
        force, threads, progress: as for `compress`.
    """
    return _nwcodec.decompress(
        str(directory), str(output), dtype, force, threads, _number(layers), _path(base), progress
    )


def inspect(
    directory: str | os.PathLike,
    *,
    verify: bool = False,
    layers: int | None = None,
    base: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """What a compressed checkpoint consists of, in bytes counted from its files.

    Args:
        verify: also check every byte, of a delta's base too.
        layers, base: as for `nwcodec.open`.

    Returns:
        `tensors`, a dictionary for each compressed one; `layers`, one for each of its own, with its `folder` ("" for
        the directory itself); sums over them: `weights`, `payload_bytes`, `side_bytes`, `codec_bytes`, `file_bytes`,
        `bits_per_weight`; `plain_tensors` and `plain_bytes`, stored as they are; `original_bytes`,
        `bits_per_parameter`, `codec_id`, `warnings`; and of a delta its `base` (else None), which no bytes are counted
        of, with `unchanged_tensors` and `unchanged_parameters`, which are the base's.
    """
    return _nwcodec.inspect(str(directory), verify, _number(layers), _path(base))
