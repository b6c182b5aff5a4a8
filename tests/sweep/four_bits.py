#!/usr/bin/env python3
"""The families of tests/data/families at 4 bits per compressed weight on disk, without data and calibrated.

    NW=build/release/bin/nwcodec python tests/sweep/four_bits.py [--scale N] [FAMILY ...]

Each is a random model that transformers writes, N times as wide as its fixture (default 16: the rate counts the codec's
file, which is larger than the fixtures), compressed by `nwcodec compress --bits 4` with and without Hessians of random
text, and decompressed. A line per family: bits, the codec's among them, relative L2 error of transformers' logits from
the decompressed weights on tokens that calibration did not see, KL divergence. Ends with 1 if a rate misses 4 bits by
more than 1 % or a calibration does not lower the divergence.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import families  # beside this file
import torch
import transformers

SCALED = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "moe_intermediate_size",
          "kv_lora_rank", "q_lora_rank")
SEQUENCES, LENGTH, WINDOWS, BITS = 64, 64, 16, 4.0


def nwcodec(*arguments):
    done = subprocess.run([families.NWCODEC, *map(str, arguments), "--json", "--quiet", "--threads", "1"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout) if done.stdout else None


def write_model(family, scale, folder):
    kind, changes = families.make.MODELS[family]
    options = {**families.make.COMMON, **changes}
    options.update({key: options[key] * scale for key in SCALED if options.get(key)})
    torch.manual_seed(7)
    model_class = getattr(transformers, f"{kind}ForCausalLM")
    model = model_class(getattr(transformers, f"{kind}Config")(**options))
    families.make.randomise(model)
    model.to(torch.bfloat16).save_pretrained(folder)
    families.write_tokenizer(folder)
    return model_class


def log_probabilities(model_class, folder, ids):
    model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return model(ids, use_cache=False).logits.double()


def random_text(seed, count):
    ids = torch.randint(0, families.make.VOCAB, (count,), generator=torch.Generator().manual_seed(seed))
    text = "".join(families.LETTERS[i] for i in ids)
    return ids, text.replace("Ġ", " ").replace("Ċ", "\n")


def compressed(model_class, folder, ids, wanted, *options):
    """Bits on disk, those of the codec among them, relative error of logits, KL divergence."""
    with tempfile.TemporaryDirectory() as work:
        small, plain = pathlib.Path(work) / "small", pathlib.Path(work) / "plain"
        nwcodec("compress", folder, "-o", small, "--bits", BITS, *options)
        size = nwcodec("inspect", small)
        nwcodec("decompress", small, "-o", plain)
        found = log_probabilities(model_class, plain, ids)
    codec = 8 * size["codec_bytes"] / size["weights"]
    p, q = (torch.log_softmax(logits, -1) for logits in (wanted, found))
    divergence = (p.exp() * (p - q)).sum(-1).mean().item()
    return size["bits_per_weight"], codec, ((found - wanted).norm() / wanted.norm()).item(), divergence


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=int, default=16)
    parser.add_argument("family", nargs="*", default=list(families.make.MODELS))
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    failed = False
    print("family       | data-free: bits, codec's, logits, KL | calibrated: bits, codec's, logits, KL")
    for family in options.family:
        with tempfile.TemporaryDirectory() as work:
            folder, hessians, text = (pathlib.Path(work) / name for name in ("model", "hessians", "text.txt"))
            folder.mkdir()
            model_class = write_model(family, options.scale, folder)
            text.write_text(random_text(1, SEQUENCES * LENGTH)[1])
            ids = random_text(2, WINDOWS * LENGTH)[0].reshape(WINDOWS, LENGTH)
            wanted = log_probabilities(model_class, folder, ids)
            nwcodec("calibrate", folder, "--text", text, "-o", hessians, "--sequences", SEQUENCES, "--length", LENGTH)
            results = [compressed(model_class, folder, ids, wanted),
                       compressed(model_class, folder, ids, wanted, "--hessians", hessians, "--keep-embeddings")]
        print(f"{family:12} | " + " | ".join(f"{b:.3f} {c:.3f} {e:.4f} {kl:.6f}" + " " * 12
                                               for b, c, e, kl in results), flush=True)
        failed |= any(abs(bits / BITS - 1) > 0.01 for bits, *_ in results) or results[1][3] > results[0][3]
    return failed


if __name__ == "__main__":
    sys.exit(main())
