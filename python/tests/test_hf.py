"""transformers loads compressed checkpoints, and nothing of them is lost silently."""

import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import DEMO, compressed, decompressed, delta, needs_transformers, progressive, small_of, tuned

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


class Loads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from transformers import AutoModelForCausalLM

        import nwcodec.hf  # noqa: F401

        cls.load = staticmethod(AutoModelForCausalLM.from_pretrained)

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def damaged(self, change, original=None):
        copy = Path(shutil.copytree(original or compressed(), Path(self.directory.name) / "copy"))
        change(copy)
        return copy

    def assertSame(self, model, other):
        self.assertEqual((logits(model) - logits(other)).abs().max().item(), 0.0)


@needs_transformers
class Load(Loads):
    def test_decoded_is_the_decompressed_model(self):
        model, plain = self.load(compressed()), self.load(decompressed())
        self.assertSame(model, plain)
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
        self.assertSame(self.load(output), self.load(compressed()))

    def test_resident_multiplies_from_streams(self):
        model = self.load(compressed(), nwcodec_resident="compressed")
        layers = [m for m in model.modules() if type(m).__name__ == "CompressedLinear"]
        self.assertEqual(len(layers), 42)
        self.assertEqual(sum(p.numel() for m in layers for p in m.parameters()), 0)
        self.assertSame(model, self.load(decompressed()))
        with self.assertRaises(ValueError):
            model.save_pretrained(Path(self.directory.name) / "no")

    def test_resident_wants_one_of_two(self):
        with self.assertRaises(nwcodec.errors.InvalidArgumentError):
            self.load(compressed(), nwcodec_resident="perhaps")

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


@needs_transformers
class LoadLayers(Loads):
    """Progressive checkpoints and deltas."""

    def plain_of(self, directory, **options):
        output = tempfile.mkdtemp(dir=self.directory.name)
        nwcodec.decompress(directory, output, **options)
        return self.load(output)

    def flip(self, path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 16
        path.write_bytes(data)

    def test_as_many_layers_as_asked_for(self):
        found = []
        for layers in (1, 2, None):
            plain = self.plain_of(progressive(), layers=layers)
            for resident in ("decoded", "compressed"):
                model = self.load(progressive(), nwcodec_layers=layers, nwcodec_resident=resident)
                self.assertSame(model, plain)
            found.append(logits(plain))
        self.assertFalse(found[0].equal(found[1]))
        self.assertTrue(found[1].equal(found[2]))
        with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "nwcodec_layers=2"):
            self.load(progressive(), nwcodec_layers=3)
        for wrong in (0, -1, "2", 1.0, True):
            with self.assertRaisesRegex(nwcodec.errors.InvalidArgumentError, "nwcodec_layers"):
                self.load(progressive(), nwcodec_layers=wrong)

    def test_a_damaged_refinement(self):
        copy = self.damaged(lambda copy: self.flip(copy / "refinement-1" / "model.safetensors"), progressive())
        for resident in ("decoded", "compressed"):
            with self.assertRaisesRegex(nwcodec.errors.CorruptError, "refinement-1.*fetch|refinement-1.*copy"):
                logits(self.load(copy, nwcodec_resident=resident))
        self.assertSame(self.load(copy, nwcodec_layers=1), self.load(progressive(), nwcodec_layers=1))

    def test_a_refinement_behind_a_gap(self):
        copy = self.damaged(lambda c: (c / "refinement-1").rename(c / "refinement-2"), progressive())
        with self.assertWarnsRegex(UserWarning, "refinement-2 is not read"):
            self.assertSame(self.load(copy), self.load(progressive(), nwcodec_layers=1))

    def test_a_refinement_of_another_checkpoint(self):
        copy = self.damaged(lambda c: shutil.copytree(progressive() / "refinement-1", c / "refinement-1"))
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "nwcodec_layers=1"):
            self.load(copy)
        self.assertSame(self.load(copy, nwcodec_layers=1), self.load(compressed()))

    def test_a_delta_and_its_base(self):
        from transformers import AutoModelForCausalLM

        plain = self.plain_of(delta())
        for resident in ("decoded", "compressed"):
            model = self.load(delta(), nwcodec_resident=resident)
            self.assertSame(model, plain)
        self.assertEqual(sum(type(m).__name__ == "CompressedLinear" for m in model.modules()), 42)
        error = {
            n: (logits(self.load(d)) - logits(self.load(tuned()))).norm().item()
            for n, d in (("delta", delta()), ("base", compressed()))
        }
        self.assertLess(error["delta"], error["base"])
        # Somewhere else, with a base that is named.
        copy = self.damaged(lambda _: None, delta())
        base = Path(shutil.copytree(compressed(), Path(self.directory.name) / "elsewhere"))
        for given in (base, str(base)):
            self.assertSame(AutoModelForCausalLM.from_pretrained(copy, nwcodec_base=given), plain)
        output = Path(self.directory.name) / "saved"
        self.load(delta()).save_pretrained(output)
        self.assertSame(self.load(output), plain)

    def test_a_delta_in_shards(self):
        import torch

        original, copy, small = (Path(self.directory.name) / name for name in ("original", "tuned", "small"))
        model = self.load(DEMO)
        model.save_pretrained(original, max_shard_size="4MB")
        for name, parameter in model.named_parameters():
            if ".5." in name or "embed" in name:  # the embedding is stored as it is
                parameter.data += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        model.save_pretrained(copy, max_shard_size="4MB")
        base = Path(self.directory.name) / "base"
        nwcodec.compress(original, base, bits=3.0)
        report = nwcodec.compress(copy, small, bits=2.0, base=base, base_model=original)
        self.assertGreater(report["differences"]["unchanged"], report["differences"]["differences"])
        self.assertGreater(len(list(small.glob("model-*.safetensors"))), 1)
        plain = self.plain_of(small)
        self.assertSame(self.load(small), plain)
        self.assertTrue(plain.get_input_embeddings().weight.equal(model.get_input_embeddings().weight))

    def test_a_delta_whose_dtype_is_to_be_found(self):
        def forget(copy):
            config = json.loads((copy / "config.json").read_text())
            del config["dtype"]
            (copy / "config.json").write_text(json.dumps(config))

        copy = self.damaged(forget, delta())
        self.assertSame(self.load(copy, nwcodec_base=compressed(), dtype="auto"), self.load(delta()))

    def test_a_delta_that_changes_nothing(self):
        small = Path(self.directory.name) / "small"
        nwcodec.compress(DEMO, small, bits=1.0, base=compressed(), base_model=DEMO)
        for resident in ("decoded", "compressed"):
            self.assertSame(self.load(small, nwcodec_resident=resident), self.load(compressed()))

    def test_a_missing_base(self):
        copy = self.damaged(lambda _: None, delta())
        with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "put it there, or name it with nwcodec_base="):
            self.load(copy)
        with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "/no/such.*nwcodec_base="):
            self.load(copy, nwcodec_base="/no/such")

    def test_a_wrong_base(self):
        for wrong in (progressive(), DEMO, delta()):
            with self.assertRaisesRegex(nwcodec.errors.MismatchError, "nwcodec_base="):
                self.load(delta(), nwcodec_base=wrong)
        with self.assertRaisesRegex(nwcodec.errors.InvalidArgumentError, "no delta"):
            self.load(compressed(), nwcodec_base=compressed())
        with self.assertRaisesRegex(nwcodec.errors.InvalidArgumentError, "nwcodec_base"):
            self.load(delta(), nwcodec_base=3)

    def test_a_damaged_base(self):
        base = Path(shutil.copytree(compressed(), Path(self.directory.name) / "base"))
        data = bytearray((base / "model.safetensors").read_bytes())
        size = int.from_bytes(data[:8], "little")
        begin, end = json.loads(data[8 : 8 + size])["model.layers.4.mlp.up_proj.weight.nwc_stream"]["data_offsets"]
        data[8 + size + (begin + end) // 2] ^= 16  # of a tensor that the delta does not have
        (base / "model.safetensors").write_bytes(data)
        with self.assertRaisesRegex(nwcodec.errors.CorruptError, "base.*layers.4.mlp.up_proj"):
            self.load(delta(), nwcodec_base=base)

    def test_tensors_of_a_base_that_no_module_takes(self):
        def shorten(copy):
            config = json.loads((copy / "config.json").read_text())
            config["num_hidden_layers"] -= 1
            (copy / "config.json").write_text(json.dumps(config))

        copy = self.damaged(shorten, delta())
        for resident in ("decoded", "compressed"):
            with self.assertRaisesRegex(nwcodec.errors.MismatchError, "no module.*layers.5"):
                self.load(copy, nwcodec_base=compressed(), nwcodec_resident=resident)

    def test_plain_models_have_neither(self):
        for options in ({"nwcodec_layers": 1}, {"nwcodec_base": str(compressed())}):
            with self.assertRaisesRegex(nwcodec.errors.InvalidArgumentError, "plain"):
                self.load(DEMO, **options)
        self.load(DEMO, nwcodec_layers=None, nwcodec_base=None)


def cuda_kernels():
    import torch

    return hasattr(nwcodec._nwcodec, "Streams") and torch.cuda.is_available()


class OnCuda(Loads):
    """Where there is a device, and the build has kernels."""

    def setUp(self):
        super().setUp()
        if not cuda_kernels():
            self.skipTest("no CUDA device, or a build without kernels")


@needs_transformers
class LoadLayersOnCuda(OnCuda):
    """Sums that a device takes."""

    def test_sums_have_the_cpus_bits(self):
        import torch

        from nwcodec.cuda_decoding import CudaStreams

        base, small = (Path(self.directory.name) / name for name in ("base", "small"))
        nwcodec.compress(DEMO, base, bits=3.0, exclude=r"layers\.1\.mlp")  # of which tuned() differs
        nwcodec.compress(tuned(), small, bits=1.0, base=base, base_model=DEMO)
        sums = []
        for checkpoint in (
            nwcodec.open(progressive()),
            nwcodec.open(progressive(), layers=1),
            nwcodec.open(delta(), base=compressed()),
            nwcodec.open(small),
        ):
            streams = CudaStreams(checkpoint, torch.device("cuda"))
            tensors = [tensor for tensor in checkpoint.values() if tensor.compressed]
            sums.append(sum(streams.is_sum(tensor) for tensor in tensors))
            for tensor in tensors:
                found, expected = streams.decode(tensor).cpu(), tensor.torch()
                if streams.is_sum(tensor):
                    self.assertTrue(found.equal(expected), tensor.name)
                else:  # tensor cores round otherwise
                    torch.testing.assert_close(found.float(), expected.float(), rtol=2**-7, atol=1e-4)
        self.assertEqual(sums, [42, 0, 7, 7])

    def test_kept_compressed(self):
        import torch

        ids = torch.arange(5, 45, device="cuda")[None]
        for directory in (progressive(), delta()):
            plain = self.load(directory).to("cuda")
            direct = self.load(directory, device_map="cuda")
            for (name, parameter), (_, other) in zip(plain.named_parameters(), direct.named_parameters()):
                self.assertTrue(parameter.equal(other), name)
            kept = self.load(directory, nwcodec_resident="compressed", device_map="cuda")
            with torch.no_grad():
                expected, found = plain(ids).logits.float(), kept(ids).logits.float()
            error = ((found - expected).norm() / expected.norm()).item()
            self.assertLessEqual(error, 0.0 if directory == progressive() else 2**-6)


@needs_transformers
class ProductsOnCuda(OnCuda):
    """Linear layers that multiply from their compressed bytes."""

    def test_few_vectors_are_not_decoded(self):
        import torch

        from nwcodec.resident import CompressedLinear

        hessians, small = (Path(self.directory.name) / name for name in ("hessians", "small"))
        nwcodec.calibrate(self.load(DEMO), [torch.arange(i, i + 64)[None] for i in range(0, 256, 64)], hessians)
        nwcodec.compress(DEMO, small, bits=4.0, hessians=hessians, keep_embeddings=True)  # along a trellis
        options = {"device_map": "cuda", "dtype": torch.float32}
        plain, kept, multiplying = (
            self.load(small, nwcodec_resident=resident, **options) for resident in ("decoded", "compressed", "products")
        )
        layer = next(module for module in multiplying.modules() if isinstance(module, CompressedLinear))
        for vectors, multiplied in ((1, True), (8, True), (9, False)):
            x = torch.ones(vectors, layer.in_features, device="cuda", dtype=torch.bfloat16)
            self.assertEqual(layer._residence.product(layer._tensor, x) is not None, multiplied)
        for tokens in (1, 6, 40):
            ids = torch.arange(5, 5 + tokens, device="cuda")[None]
            with torch.no_grad():
                expected, same, near = (model(ids).logits for model in (plain, kept, multiplying))
            self.assertTrue(same.equal(expected), tokens)
            self.assertLessEqual(((near - expected).norm() / expected.norm()).item(), 2**-7, tokens)


if __name__ == "__main__":
    unittest.main()
