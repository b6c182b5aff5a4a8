"""The command line of the Python package: `nwcodec` or `python -m nwcodec`.

Options that the C++ program has, too, have its names and its defaults. `eval`, `generate` and `calibrate` run models
through transformers, and so know every architecture that transformers knows.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

import nwcodec
from nwcodec import _nwcodec, errors
from nwcodec.errors import Error, InvalidArgumentError, UnsupportedError


def _progress(quiet: bool) -> Any:
    if quiet or not sys.stderr.isatty():
        return None

    def show(done: int, total: int, what: str) -> None:
        print(f"\r\x1b[K{100 * done // max(1, total):3d} % {what[:100]}", end="", file=sys.stderr, flush=True)

    return show


def _print(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        if value is None:
            continue
        if key == "warnings":
            for warning in value:
                print(f"warning: {warning}", file=sys.stderr)
        elif not isinstance(value, (list, dict)):
            print(f"{key:24} {value:.6g}" if isinstance(value, float) else f"{key:24} {value}")


def _rates(text: str | None) -> list[float]:
    try:
        return [float(bits) for bits in text.split(",")] if text else []
    except ValueError:
        raise InvalidArgumentError(f"--layers takes rates: 2.5,4, not {text!r}") from None


def _compress(a: argparse.Namespace) -> dict[str, Any]:
    names = ("bits", "size", "codec", "hessians", "include", "exclude", "steps", "feedback", "normalisation", "trellis")
    names += ("rate_weight", "tile_chunks", "run_groups", "keep_embeddings", "keep_nonfinite", "level", "force")
    names += ("base", "base_model", "device", "threads")
    options = {name: getattr(a, name) for name in names}
    options["layers"] = _rates(a.layers)
    return nwcodec.compress(a.model, a.output, progress=_progress(a.quiet), **options)


def _decompress(a: argparse.Namespace) -> dict[str, Any]:
    options = {name: getattr(a, name) for name in ("dtype", "layers", "base", "force", "threads")}
    return nwcodec.decompress(a.model, a.output, progress=_progress(a.quiet), **options)


def _inspect(a: argparse.Namespace) -> dict[str, Any]:
    report = nwcodec.inspect(a.model, verify=a.verify, layers=a.layers, base=a.base)
    if not a.json:
        for t in report["tensors"]:
            shape = " x ".join(map(str, t["shape"]))
            size = t["payload_bytes"] + t["side_bytes"]
            print(f"{t['name']:60} {shape:>20} {t['bits_per_weight']:8.4f} bits {size:12}")
    return report


def _card(a: argparse.Namespace) -> dict[str, Any]:
    return {"card": str(nwcodec.write_card(a.model, a.base_model, base=a.base))}


def _load(directory: str, device: str, **options: Any) -> Any:
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        message = f"models run through transformers: pip install 'nwcodec[transformers]' ({error})"
        raise UnsupportedError(message) from None
    import torch
    from transformers import AutoModelForCausalLM

    import nwcodec.hf  # noqa: F401

    if device != "cpu" and not torch.cuda.is_available():
        raise UnsupportedError("this PyTorch sees no CUDA device: leave out --device, or install one with CUDA")
    return AutoModelForCausalLM.from_pretrained(directory, **options).to(device)


def _chosen(a: argparse.Namespace) -> dict[str, Any]:
    return {"nwcodec_resident": a.resident, "nwcodec_layers": a.layers, "nwcodec_base": a.base}


def _tokens(directory: str, text: str) -> list[int]:
    from transformers import AutoTokenizer

    path = Path(text)
    if not path.is_file():
        raise InvalidArgumentError(f"{text}: is no file", text)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return tokenizer(path.read_text(encoding="utf-8"), add_special_tokens=False).input_ids


def _eval(a: argparse.Namespace) -> dict[str, Any]:
    from nwcodec.evaluation import evaluate

    model = _load(a.model, a.device, **_chosen(a))
    reference = _load(a.reference, a.device) if a.reference else None
    ids = _tokens(a.model, a.text)
    progress = _progress(a.quiet)
    return evaluate(model, ids, reference=reference, context=a.context, windows=a.windows, progress=progress)


def _generate(a: argparse.Namespace) -> dict[str, Any]:
    import time

    from transformers import AutoTokenizer

    model = _load(a.model, a.device, **_chosen(a))
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    inputs = tokenizer(a.prompt, return_tensors="pt").to(a.device)
    begin = time.perf_counter()
    output = model.generate(**inputs, max_new_tokens=a.tokens, do_sample=False)
    seconds = time.perf_counter() - begin
    made = output.shape[1] - inputs.input_ids.shape[1]
    return {"text": tokenizer.decode(output[0], skip_special_tokens=True), "tokens_per_second": made / seconds}


def _calibrate(a: argparse.Namespace) -> dict[str, Any]:
    model = _load(a.model, a.device).float()
    from nwcodec.calibration import calibrate, draw_sequences

    batches, texts = [], []
    for text in a.text:
        ids = _tokens(a.model, text)
        batches += draw_sequences(ids, a.length, a.sequences, a.seed)
        texts.append({"name": Path(text).name, "tokens": len(ids)})
    return calibrate(
        model,
        batches,
        a.output,
        checkpoint=a.model,
        gradients=not a.no_gradients,
        seed=a.seed,
        memory=a.memory << 20,
        force=a.force,
        texts=texts,
        progress=_progress(a.quiet),
    )


def _doctor(_: argparse.Namespace) -> dict[str, Any]:
    import importlib.metadata
    import platform

    result: dict[str, Any] = {"nwcodec": nwcodec.__version__, "python": platform.python_version()}
    for name in ("numpy", "torch", "transformers", "safetensors", "vllm", "sglang"):
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            result[name] = "not installed"
    result["instruction sets"] = ", ".join(_nwcodec.instruction_sets())
    result["CUDA kernels"] = "yes" if hasattr(_nwcodec, "Streams") else "not in this build"
    result["CUDA devices"] = _nwcodec.cuda_device_count()
    codecs = nwcodec.codec_path(nwcodec.commands.DEFAULT_CODEC).parent
    result["codecs"] = ", ".join(p.stem for p in sorted(codecs.glob("*.safetensors")))
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("nwcodec", description="Checkpoints in 2 to 6 bits a weight, and back.")
    parser.add_argument("--version", action="version", version=f"nwcodec {nwcodec.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--quiet", action="store_true", help="no progress")
        return sub

    def with_model(sub: argparse.ArgumentParser, what: str) -> None:
        sub.add_argument("model", help=what)

    def with_output(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("-o", "--output", required=True, help="directory to write")
        sub.add_argument("--force", action="store_true", help="replace what stands there")
        sub.add_argument("--threads", type=int, default=0, help="0: all cores")

    def with_layers(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--layers", type=int, help="of a progressive checkpoint: how many to read; all by default")
        sub.add_argument("--base", help="of a delta: the directory of its base; where the delta says by default")

    sub = command("compress", _compress, "Compress a checkpoint.")
    with_model(sub, "checkpoint directory")
    with_output(sub)
    sub.add_argument("--bits", type=float, help="per compressed weight on disk, with everything")
    sub.add_argument("--size", help="of all weight files, instead: 4.5GB, 700MiB, 60%%")
    sub.add_argument("--layers", help="progressive: bits of a base, and of all up to each refinement: 2.5,4")
    sub.add_argument("--base", help="store the difference from this compressed checkpoint, at --bits")
    sub.add_argument("--base-model", help="with --base: the model that it was compressed from")
    sub.add_argument("--codec", help="codec file, or the name of a shipped one")
    sub.add_argument("--hessians", help="what calibrate wrote")
    for name in ("include", "exclude"):
        sub.add_argument(f"--{name}", action="append", default=[], help="regular expression, searched in names")
    sub.add_argument("--steps", choices=("levels", "water-fill", "sensitivity"))
    sub.add_argument("--feedback", choices=("none", "columns", "two-sided"))
    sub.add_argument("--normalisation", choices=("column", "row", "both", "tensor", "model"))
    for name in ("trellis", "tile-chunks", "run-groups"):
        sub.add_argument(f"--{name}", type=int)
    sub.add_argument("--rate-weight", type=float)
    sub.add_argument("--level", type=int, default=0)
    sub.add_argument("--keep-embeddings", action="store_true")
    sub.add_argument("--keep-nonfinite", action="store_true")
    sub.add_argument("--device", default="cpu")

    sub = command("decompress", _decompress, "Write a plain checkpoint again.")
    with_model(sub, "compressed directory")
    with_output(sub)
    with_layers(sub)
    sub.add_argument("--dtype", choices=("F32", "F16", "BF16"))

    sub = command("inspect", _inspect, "What a compressed checkpoint consists of.")
    with_model(sub, "compressed directory")
    with_layers(sub)
    sub.add_argument("--verify", action="store_true", help="check every byte")

    sub = command("card", _card, "Write a model card and the hashes of all files into a compressed checkpoint.")
    with_model(sub, "compressed directory")
    sub.add_argument("--base-model", help="the original's name, for hubs")
    sub.add_argument("--base", help="of a delta: the directory of its base")

    sub = command("eval", _eval, "Perplexity, and divergence from the original.")
    with_model(sub, "directory, plain or compressed")
    with_layers(sub)
    sub.add_argument("--text", required=True)
    sub.add_argument("--reference", help="the original model")
    sub.add_argument("--context", type=int, default=2048)
    sub.add_argument("--windows", type=int)
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--resident", choices=("decoded", "compressed", "products"), default="decoded")

    sub = command("generate", _generate, "Continue a prompt, greedily.")
    with_model(sub, "directory, plain or compressed")
    with_layers(sub)
    sub.add_argument("--prompt", required=True)
    sub.add_argument("--tokens", type=int, default=64)
    sub.add_argument("--device", default="cpu")
    sub.add_argument("--resident", choices=("decoded", "compressed", "products"), default="decoded")

    sub = command("calibrate", _calibrate, "Measure what linear layers see and feel, of any architecture.")
    with_model(sub, "checkpoint directory")
    with_output(sub)
    sub.add_argument("--text", action="append", required=True)
    sub.add_argument("--sequences", type=int, default=128, help="of each text")
    sub.add_argument("--length", type=int, default=2048, help="tokens of a sequence")
    sub.add_argument("--seed", type=int, default=1)
    sub.add_argument("--no-gradients", action="store_true")
    sub.add_argument("--memory", type=int, default=4096, help="MiB for second moments")
    sub.add_argument("--device", default="cpu")

    command("doctor", _doctor, "What this machine and this installation offer.")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    a = _parser().parse_args(arguments)
    errors.argument_prefix.set(None)
    try:
        _print(a.run(a), a.json)
    except Error as error:
        print(f"nwcodec {a.command}: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidArgumentError) else 1
    except KeyboardInterrupt:
        print(f"\nnwcodec {a.command}: interrupted; the same command goes on", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
