"""What engines that load weights themselves are held to, on loaders of our own; and vLLM's where it is installed."""

import importlib.util
import os
import shutil
import tempfile
import types
import unittest
from pathlib import Path

from support import DEMO, compressed, decompressed, delta, needs_torch, progressive, small_of

import nwcodec

NAMES = ("model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight")


@needs_torch
class Claims(unittest.TestCase):
    def setUp(self):
        import safetensors
        import torch

        from nwcodec.serving import show_decoded

        self.torch = torch
        self.reader = types.SimpleNamespace(safe_open=safetensors.safe_open)
        show_decoded(self.reader)
        shapes = [nwcodec.open(DEMO)[name].shape for name in NAMES]
        # Fused, as engines have them.
        self.model = torch.nn.Module()
        self.model.fused = torch.nn.Parameter(torch.empty(sum(s[0] for s in shapes), shapes[0][1], dtype=torch.float16))

    def weights(self):
        for path in sorted(compressed().glob("*.safetensors")):
            with self.reader.safe_open(str(path), framework="pt") as file:
                for name in file.keys():
                    if name in NAMES:
                        yield name, file.get_tensor(name)

    def load(self, names, convert=True):
        from nwcodec.serving import CheckedLoad

        begins = {NAMES[0]: 0, NAMES[1]: nwcodec.open(DEMO)[NAMES[0]].shape[0]}
        checked = CheckedLoad(self.model, "here")
        with checked, self.torch.no_grad():
            for name, tensor in checked.watch(self.weights()):
                if name in names:
                    part = self.model.fused[begins[name] : begins[name] + tensor.shape[0]]
                    part.copy_(tensor.to(self.torch.float32).half() if convert else tensor)

    def test_see_all_that_arrives(self):
        for convert in (True, False):
            self.load(NAMES, convert)
        plain = nwcodec.open(decompressed())
        expected = self.torch.cat([plain[name].torch() for name in NAMES]).half()
        self.assertTrue(self.torch.equal(self.model.fused.data, expected))

    def test_see_what_is_passed_over(self):
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, NAMES[1]):
            self.load(NAMES[:1])

    def test_see_what_is_not_filled(self):
        self.model.other = self.torch.nn.Parameter(self.torch.empty(4, 4))
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "other"):
            self.load(NAMES)
        self.model.other.requires_grad_(False)

    def test_see_what_is_filled_in_part(self):
        self.model.fused = self.torch.nn.Parameter(self.torch.empty(4096, self.model.fused.shape[1]))
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "fused"):
            self.load(NAMES)

    def test_modules_that_import_the_package(self):
        import safetensors

        from nwcodec.serving import show_decoded

        reader = types.SimpleNamespace(safetensors=safetensors)
        show_decoded(reader)
        path = str(next(compressed().glob("model*.safetensors")))
        with reader.safetensors.safe_open(path, framework="pt", device="cpu") as file:
            self.assertTrue(set(NAMES) <= set(file.keys()))
        self.assertIs(reader.safetensors.SafetensorError, safetensors.SafetensorError)
        with safetensors.safe_open(path, framework="pt") as file:
            self.assertFalse(set(NAMES) <= set(file.keys()))

    def read(self, directory):
        for path in sorted(directory.glob("*.safetensors")):
            with self.reader.safe_open(str(path), framework="pt") as file:
                for name in file.keys():
                    yield name, file.get_tensor(name)

    def test_all_of_a_delta_and_of_a_progressive_checkpoint_is_read(self):
        for directory in (delta(), progressive()):
            whole = nwcodec.open(directory)
            read = list(self.read(directory))
            self.assertEqual(sorted(name for name, _ in read), list(whole))
            for name, tensor in read:
                self.assertTrue(self.torch.equal(tensor + 0, whole[name].torch()), name)
                if tensor.dim() == 2:  # what a rank takes
                    part = whole[name].torch(index=(slice(None), slice(0, 64)))
                    self.assertTrue(self.torch.equal(tensor.narrow(1, 0, 64) + 0, part), name)

    def test_a_delta_without_its_base_is_refused(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(shutil.copytree(delta(), Path(directory) / "delta"))
            with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "link it to where the delta expects it"):
                list(self.read(copy))
            (Path(directory) / compressed().name).symlink_to(progressive())
            with self.assertRaisesRegex(nwcodec.errors.MismatchError, "decompress"):
                list(self.read(copy))
            (Path(directory) / compressed().name).unlink()
            (Path(directory) / compressed().name).symlink_to(compressed())
            self.assertEqual(len(list(self.read(copy))), len(nwcodec.open(DEMO)))

    def test_the_codec_is_no_weight_file(self):
        with self.reader.safe_open(str(compressed() / "codec.safetensors"), framework="pt") as file:
            self.assertEqual(list(file.keys()), [])


os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")  # no GPU is asked for


@unittest.skipUnless(importlib.util.find_spec("vllm"), "vLLM is not installed")
class Vllm(unittest.TestCase):
    def test_reads_the_originals_tensors(self):
        from vllm.model_executor.layers.quantization import get_quantization_config
        from vllm.model_executor.model_loader.weight_utils import safetensors_weights_iterator

        from nwcodec.vllm_plugin import register

        register()
        register()
        self.assertEqual(get_quantization_config("nwcodec").from_config({}).get_name(), "nwcodec")
        files = [str(p) for p in sorted(compressed().glob("*.safetensors"))]
        read = dict(safetensors_weights_iterator(files, False))
        plain = nwcodec.open(decompressed())
        self.assertEqual(sorted(read), sorted(plain))
        for name, tensor in read.items():
            self.assertTrue(tensor.equal(plain[name].torch()), name)

    def model_of(self, directory):
        """Through vLLM's own loader and model, on this machine's cores."""
        from vllm.config import set_current_vllm_config
        from vllm.distributed import init_distributed_environment, initialize_model_parallel, parallel_state
        from vllm.engine.arg_utils import EngineArgs
        from vllm.model_executor.model_loader import get_model

        from nwcodec.vllm_plugin import register

        register()
        options = EngineArgs(model=str(directory), dtype="float32", enforce_eager=True, max_model_len=128)
        config = options.create_engine_config()
        self.assertEqual(config.model_config.quantization, "nwcodec")
        with set_current_vllm_config(config):
            if not parallel_state.model_parallel_is_initialized():
                init_distributed_environment(1, 0, f"file://{tempfile.mktemp()}", 0, "gloo")
                initialize_model_parallel(1, 1)
            return get_model(vllm_config=config)

    def test_loads_a_model(self):
        import torch

        parameters = dict(self.model_of(compressed()).named_parameters())
        plain = nwcodec.open(decompressed())
        parts = [plain[f"model.layers.0.self_attn.{k}_proj.weight"].torch(torch.float32) for k in "qkv"]
        self.assertTrue(parameters["model.layers.0.self_attn.qkv_proj.weight"].equal(torch.cat(parts)))

    def test_loads_deltas_and_layers(self):
        for directory in (delta(), progressive()):
            parameters = dict(self.model_of(directory).named_parameters())
            whole = nwcodec.open(directory)
            for block in range(6):
                name = f"model.layers.{block}.mlp.down_proj.weight"
                self.assertTrue(parameters[name].equal(whole[name].torch().float()), name)

    def test_refuses_a_delta_without_its_base(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = shutil.copytree(delta(), Path(directory) / "delta")
            with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "link it to where the delta expects it"):
                self.model_of(copy)

    def test_refuses_a_model_that_lacks_a_tensor(self):
        tensors = {n: t.torch() for n, t in nwcodec.open(DEMO).items() if "layers.3.mlp.up_proj" not in n}
        with tempfile.TemporaryDirectory() as directory:
            output = small_of(tensors, Path(directory) / "small")
            for name in ("tokenizer.json", "tokenizer_config.json"):
                (output / name).write_bytes((DEMO / name).read_bytes())
            with self.assertRaisesRegex(nwcodec.errors.MismatchError, "layers.3.mlp"):
                self.model_of(output)


@unittest.skipUnless(importlib.util.find_spec("sglang"), "SGLang is not installed")
class Sglang(unittest.TestCase):
    """Its reader and its loader, around a model of ours: its own models want a GPU."""

    @classmethod
    def setUpClass(cls):
        from nwcodec.sglang_plugin import register

        register()
        register()

    def test_reads_the_originals_tensors(self):
        from sglang.srt.model_loader.weight_utils import safetensors_weights_iterator

        read = dict(safetensors_weights_iterator([str(p) for p in sorted(compressed().glob("*.safetensors"))]))
        plain = nwcodec.open(decompressed())
        self.assertEqual(sorted(read), sorted(plain))
        for name, tensor in read.items():
            self.assertTrue(tensor.equal(plain[name].torch()), name)

    def test_reads_deltas_and_layers(self):
        from sglang.srt.model_loader.weight_utils import safetensors_weights_iterator

        for directory in (delta(), progressive()):
            read = dict(safetensors_weights_iterator([str(p) for p in sorted(directory.glob("*.safetensors"))]))
            whole = nwcodec.open(directory)
            self.assertEqual(sorted(read), list(whole))
            for name, tensor in read.items():
                self.assertTrue(tensor.equal(whole[name].torch()), name)

    def load(self, taken):
        import torch
        from sglang.srt.layers.quantization import QUANTIZATION_METHODS
        from sglang.srt.model_loader.loader import DefaultModelLoader
        from sglang.srt.model_loader.weight_utils import safetensors_weights_iterator

        model = torch.nn.Module()
        model.quant_config = QUANTIZATION_METHODS["nwcodec"].from_config({})
        for i, name in enumerate(NAMES):
            shape = nwcodec.open(DEMO)[name].shape
            model.register_parameter(f"p{i}", torch.nn.Parameter(torch.empty(shape), requires_grad=False))

        def load_weights(weights):
            for name, tensor in weights:
                if name in taken:
                    model.get_parameter(f"p{NAMES.index(name)}").copy_(tensor)

        model.load_weights = load_weights
        files = [str(p) for p in sorted(compressed().glob("*.safetensors"))]
        weights = ((n, t) for n, t in safetensors_weights_iterator(files) if n in NAMES)
        DefaultModelLoader.load_weights_and_postprocess(model, weights, torch.device("cpu"))
        return model

    def test_loads_through_its_loader(self):
        import torch

        model = self.load(NAMES)
        self.assertTrue(model.p0.equal(nwcodec.open(decompressed())[NAMES[0]].torch(torch.float32)))

    def test_refuses_what_is_passed_over(self):
        with self.assertRaises(nwcodec.errors.MismatchError):
            self.load(NAMES[:1])


if __name__ == "__main__":
    unittest.main()
