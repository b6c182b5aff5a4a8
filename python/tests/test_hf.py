"""transformers loads compressed checkpoints, and nothing of them is lost silently."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import DEMO, compressed, decompressed, needs_transformers, small_of

import nwcodec


def rewrite(path, change):
    """A safetensors file with its header's tensors changed by `change`, and new checksums left out."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def logits(model):
    import torch

    ids = torch.arange(5, 45)[None]
    with torch.no_grad():
        return model(ids).logits.float()


@needs_transformers
class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from transformers import AutoModelForCausalLM

        import nwcodec.hf  # noqa: F401

        cls.load = staticmethod(AutoModelForCausalLM.from_pretrained)

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def test_decoded_is_the_decompressed_model(self):
        model, plain = self.load(compressed()), self.load(decompressed())
        self.assertEqual((logits(model) - logits(plain)).abs().max().item(), 0.0)
        self.assertEqual(model.dtype, plain.dtype)

    @unittest.skipUnless(os.environ.get("NWCODEC_PROGRAM"), "the C++ program is not at hand")
    def test_writes_the_programs_tokens(self):
        import torch
        from transformers import AutoTokenizer

        model = self.load(compressed(), dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(DEMO)
        for prompt in ("Once upon a time", "The history of the city"):
            made = model.generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=16, do_sample=False)
            command = [os.environ["NWCODEC_PROGRAM"], "generate", compressed(), "--prompt", prompt]
            program = subprocess.run([*command, "--max-new-tokens", "16"], capture_output=True, text=True, check=True)
            self.assertEqual(tokenizer.decode(made[0], skip_special_tokens=True), program.stdout.rstrip("\n"))

    def test_decoded_saves_as_a_plain_model(self):
        output = Path(self.directory.name) / "saved"
        self.load(compressed()).save_pretrained(output)
        self.assertNotIn("quantization_config", json.loads((output / "config.json").read_text()))
        self.assertEqual((logits(self.load(output)) - logits(self.load(compressed()))).abs().max().item(), 0.0)

    def test_resident_multiplies_from_streams(self):
        model = self.load(compressed(), nwcodec_resident="compressed")
        layers = [m for m in model.modules() if type(m).__name__ == "CompressedLinear"]
        self.assertEqual(len(layers), 42)
        self.assertEqual(sum(p.numel() for m in layers for p in m.parameters()), 0)
        self.assertEqual((logits(model) - logits(self.load(decompressed()))).abs().max().item(), 0.0)
        with self.assertRaises(ValueError):
            model.save_pretrained(Path(self.directory.name) / "no")

    def test_resident_wants_one_of_two(self):
        with self.assertRaises(nwcodec.errors.InvalidArgumentError):
            self.load(compressed(), nwcodec_resident="perhaps")

    def damaged(self, change):
        copy = Path(shutil.copytree(compressed(), Path(self.directory.name) / "copy"))
        change(copy)
        return copy

    def test_a_removed_tensor_is_refused(self):
        tensors = {n: t.torch() for n, t in nwcodec.open(DEMO).items() if "layers.3.mlp.up_proj" not in n}
        output = small_of(tensors, Path(self.directory.name) / "without")
        for resident in ("decoded", "compressed"):
            with self.assertRaisesRegex(nwcodec.errors.MismatchError, "layers.3.mlp.up_proj"):
                self.load(output, nwcodec_resident=resident)

    def test_a_renamed_tensor_is_refused(self):
        tensors = {n.replace("layers.3.mlp.up", "layers.3.mlp.upper"): t.torch() for n, t in nwcodec.open(DEMO).items()}
        output = small_of(tensors, Path(self.directory.name) / "renamed")
        with self.assertRaises(nwcodec.errors.MismatchError):
            self.load(output)

    def test_streams_of_another_model_are_refused(self):
        def widen(copy):
            config = json.loads((copy / "config.json").read_text())
            config["num_hidden_layers"] -= 1
            (copy / "config.json").write_text(json.dumps(config))

        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "no module"):
            self.load(self.damaged(widen))

    def test_damage_is_refused(self):
        def flip(copy):
            path = copy / "model.safetensors"
            data = bytearray(path.read_bytes())
            data[-20000] ^= 16
            path.write_bytes(data)

        with self.assertRaisesRegex(Exception, "damaged|checksum"):
            self.load(self.damaged(flip))

    def test_a_newer_format_is_refused(self):
        def newer(copy):
            config = json.loads((copy / "config.json").read_text())
            config["quantization_config"]["format_version"] = 99
            (copy / "config.json").write_text(json.dumps(config))

        with self.assertRaises(nwcodec.errors.UnsupportedError):
            self.load(self.damaged(newer))

    def test_a_missing_codec_is_refused(self):
        copy = self.damaged(lambda copy: (copy / "codec.safetensors").unlink())
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "codec.safetensors"):
            self.load(copy)

    def test_plain_models_load_as_before(self):
        model = self.load(DEMO)
        self.assertFalse(getattr(model, "is_quantized", False))
        self.assertEqual(logits(model).shape[-1], model.config.vocab_size)

    def test_header_tampering_is_refused(self):
        def rename(copy):
            def change(header):
                names = [n for n in header if "layers.0.mlp.up_proj" in n]
                for name in names:
                    header[name.replace("up_proj", "upper_proj")] = header.pop(name)

            rewrite(copy / "model.safetensors", change)

        with self.assertRaises(nwcodec.Error):
            self.load(self.damaged(rename))


if __name__ == "__main__":
    unittest.main()
