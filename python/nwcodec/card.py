"""What people and hubs read of a compressed checkpoint: a model card, and the hashes of its files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from nwcodec.commands import inspect
from nwcodec.errors import InvalidArgumentError

__all__ = ["write_card"]

_MARK = "<!-- written by nwcodec -->"
_CARD, _BASE_CARD, _SUMS = "README.md", "README.base.md", "SHA256SUMS"
# Of the original's card, what holds for the compressed model, too.
_CARRIED = ("license", "license_name", "license_link", "language", "pipeline_tag", "datasets")


def _front_matter(card: str) -> dict[str, list[str]]:
    """The top-level entries of a card's metadata, each as its lines."""
    lines = card.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    entries: dict[str, list[str]] = {}
    key = ""
    for line in lines[1:]:
        if line.strip() == "---":
            return entries
        if line[:1].strip() and not line.startswith(("#", "-")) and ":" in line:
            key = line.split(":", 1)[0].strip()
            entries[key] = []
        if key:
            entries[key].append(line)
    return {}


def _bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def write_card(
    directory: str | os.PathLike, base_model: str | None = None, *, base: str | os.PathLike | None = None
) -> Path:
    """Writes README.md and SHA256SUMS into a compressed checkpoint.

    The card says sizes, what was measured and by which command, and how to load the model; licence, language and the
    like come from the original's card, which stays beside it as README.base.md.

    Args:
        directory: a compressed checkpoint.
        base_model: the original's name, for hubs; None for the one that config.json has.
        base: of a delta, the directory of its base; None for where the delta says.

    Returns:
        The card.
    """
    directory = Path(directory)
    report = inspect(directory, base=base)
    path, original = directory / _CARD, directory / _BASE_CARD
    if path.is_file() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        path.replace(original)
    carried = _front_matter(original.read_text(encoding="utf-8", errors="replace")) if original.is_file() else {}
    config = json.loads((directory / "config.json").read_text()) if (directory / "config.json").is_file() else {}
    name = base_model or config.get("_name_or_path") or ""
    if "\n" in name:
        raise InvalidArgumentError("base_model is a name", str(directory))
    metadata = [line for key in _CARRIED for line in carried.get(key, [])]
    if name:
        metadata.append(f"base_model: {json.dumps(name)}")
    metadata += ["base_model_relation: quantized", "library_name: transformers", "tags:", "- nwcodec"]

    ratio = report["file_bytes"] / max(1, report["original_bytes"])
    rows = [
        ("weight files", f"{_bytes(report['file_bytes'])}, {100 * ratio:.1f} % of {_bytes(report['original_bytes'])}"),
        ("compressed tensors", f"{len(report['tensors'])}, {report['weights']} weights"),
        ("bits per compressed weight, everything included", f"{report['bits_per_weight']:.3f}"),
        ("tensors stored as they are", f"{report['plain_tensors']}, {_bytes(report['plain_bytes'])}"),
    ]
    if report["base"]:
        rows.append(("tensors as the base has them", str(report["unchanged_tensors"])))
    measured = _measured(config, len(report["layers"]))
    if measured:
        texts = ", ".join(text.get("name", "") for text in measured.get("texts", []))
        rows += [
            ("KL divergence from the original, nats per token", str(measured.get("kl_divergence"))),
            ("perplexity, original", f"{measured.get('perplexity')}, {measured.get('reference_perplexity')}"),
            ("measured on", f"{measured.get('windows')} windows of {measured.get('context')} tokens, {texts}"),
            ("command", f"`nwcodec {measured.get('command', '')}`"),
        ]
    load, needs = '"DIRECTORY"', ""
    if report["base"]:
        load = '"DIRECTORY", nwcodec_base="BASE"'
        needs = f"A delta: BASE is the compressed checkpoint that it was made from, `{Path(report['base']).name}`.\n\n"
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    title = name.rsplit("/", 1)[-1] or directory.resolve().name
    path.write_text(
        "---\n" + "\n".join(metadata) + f"\n---\n{_MARK}\n\n# {title}, compressed with nwcodec\n\n"
        f"| | |\n| --- | --- |\n{table}\n\n"
        "```python\nimport nwcodec.hf\nfrom transformers import AutoModelForCausalLM\n\n"
        f"model = AutoModelForCausalLM.from_pretrained({load})\n```\n\n{needs}"
        f"`nwcodec decompress DIRECTORY{' --base BASE' if needs else ''} -o PLAIN` writes plain safetensors again.\n"
        + (f"\nThe original's card: [{_BASE_CARD}]({_BASE_CARD}).\n" if original.is_file() else ""),
        encoding="utf-8",
    )
    sums = [
        f"{_sha256(file)}  {file.relative_to(directory).as_posix()}"
        for file in sorted(directory.rglob("*"))
        if file.is_file()
        and file != directory / _SUMS
        and not any(part.startswith(".") for part in file.relative_to(directory).parts)
    ]
    (directory / _SUMS).write_text("\n".join(sums) + "\n")
    return path


def _measured(config: dict, layers: int) -> dict:
    """What config.json records of so many layers; nothing where they were not measured (docs/format.md, section 2)."""
    measured = (config.get("quantization_config") or {}).get("measured") or {}
    if layers == 1:
        return measured
    refined = measured.get("refined", [])
    return {**measured, **refined[layers - 2]} if len(refined) >= layers - 1 else {}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
