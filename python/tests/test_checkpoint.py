"""Reading tensors: mappings, slices, dtypes, wrong arguments."""

import os
import unittest

import numpy as np
from support import DEMO, ROOT, compressed, decompressed, needs_torch

import nwcodec
from nwcodec import _nwcodec

NAME = "model.layers.0.mlp.down_proj.weight"


class Mapping(unittest.TestCase):
    def test_is_the_originals(self):
        small, original = nwcodec.open(compressed()), nwcodec.open(DEMO)
        self.assertTrue(small.compressed)
        self.assertFalse(original.compressed)
        self.assertEqual(list(small), list(original))
        for name, tensor in small.items():
            self.assertEqual((tensor.dtype, tensor.shape), (original[name].dtype, original[name].shape))
        self.assertTrue(small[NAME].compressed)
        self.assertNotIn("no such tensor", small)

    def test_values_are_those_of_decompress(self):
        small, plain = nwcodec.open(compressed()), nwcodec.open(decompressed())
        for name in small:
            np.testing.assert_array_equal(small[name].numpy("BF16"), plain[name].numpy("BF16"), name)
        original = nwcodec.open(DEMO)[NAME].numpy()
        error = np.linalg.norm(small[NAME].numpy() - original) / np.linalg.norm(original)
        self.assertTrue(0.01 < error < 0.15, error)


class Slices(unittest.TestCase):
    def test_are_those_of_the_whole(self):
        tensor = nwcodec.open(compressed())[NAME]
        whole = tensor.numpy()
        for index in (
            (slice(3, 21), slice(5, 9)),
            slice(16, 32),
            5,
            -1,
            (Ellipsis, slice(0, 7)),
            (7, 11),
            (slice(4, 4), slice(None)),
            slice(250, 1000),
        ):
            np.testing.assert_array_equal(tensor[index], whole[index], str(index))

    def test_of_one_dimension(self):
        tensor = nwcodec.open(compressed())["model.norm.weight"]
        np.testing.assert_array_equal(tensor[3:9], tensor.numpy()[3:9])

    def test_wrong_ones_are_refused(self):
        tensor = nwcodec.open(compressed())[NAME]
        for index in (256, (0, 0, 0), slice(0, 8, 2), (Ellipsis, Ellipsis), -257):
            with self.assertRaises(IndexError, msg=str(index)):
                tensor[index]
        with self.assertRaises(TypeError):
            tensor["name"]

    def test_read_little_of_a_large_tensor(self):
        # A slice of an embedding that is stored as it is touches its own bytes only.
        rows = nwcodec.open(DEMO)["model.embed_tokens.weight"]
        self.assertEqual(rows[100:110].shape, (10, rows.shape[1]))


class DTypes(unittest.TestCase):
    def test_of_numpy(self):
        tensor = nwcodec.open(compressed())[NAME]
        self.assertEqual(tensor.dtype, "BF16")
        self.assertEqual(tensor.numpy().dtype, np.float32)
        self.assertEqual(tensor.numpy(np.float16).dtype, np.float16)
        # F32 is what was decoded, before it is rounded.
        rounded = (tensor.numpy("BF16").astype(np.uint32) << 16).view(np.float32)
        np.testing.assert_allclose(rounded, tensor.numpy(), rtol=2**-8)
        self.assertEqual(np.asarray(tensor).shape, tensor.shape)
        self.assertEqual(np.from_dlpack(tensor).shape, tensor.shape)

    def test_others_are_refused(self):
        tensor = nwcodec.open(compressed())[NAME]
        for dtype in ("I32", np.int64, "float7", object):
            with self.assertRaises((nwcodec.Error, TypeError), msg=str(dtype)):
                tensor.numpy(dtype)

    @needs_torch
    def test_of_torch(self):
        import torch

        tensor = nwcodec.open(compressed())[NAME]
        self.assertEqual(tensor.torch().dtype, torch.bfloat16)
        np.testing.assert_array_equal(tensor.torch(torch.float32).numpy(), tensor.numpy())
        np.testing.assert_array_equal(tensor.torch(torch.float32, index=slice(3, 5)).numpy(), tensor[3:5])


class Errors(unittest.TestCase):
    def test_name_the_file(self):
        with self.assertRaises(nwcodec.errors.NotFoundError) as caught:
            nwcodec.open("/no/such/directory")
        self.assertEqual(caught.exception.file, "/no/such/directory")

    def test_of_damage_name_tensor_and_byte(self):
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as directory:
            copy = shutil.copytree(compressed(), os.path.join(directory, "copy"))
            path = os.path.join(copy, "model.safetensors")
            with open(path, "r+b") as file:
                file.seek(-20000, os.SEEK_END)
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 16]))
            damaged = nwcodec.open(copy)
            with self.assertRaises(nwcodec.errors.CorruptError) as caught:
                for tensor in damaged.values():
                    tensor.read_into(np.empty(tensor.size * 2, np.uint8))
            self.assertTrue(caught.exception.tensor)
            self.assertTrue(caught.exception.file.endswith("model.safetensors"))

    def test_wrong_types_never_crash(self):
        weights = nwcodec.open(compressed())._weights
        good = [NAME, "F32", np.empty(4 * 256 * 704, np.uint8), 0, 0, 2**64 - 1, 0, 2**64 - 1, True, 1]
        weights.read(*good)
        wrong = [
            None,
            1,
            -1,
            2**70,
            "x",
            b"x",
            1.5,
            [],
            {},
            object(),
            np.empty(3, np.uint8),
            np.empty(3, np.float32),
            np.empty((2, 2), np.uint8),
            np.empty(8, np.uint8)[::2],
        ]
        for place in range(len(good)):
            for value in wrong:
                arguments = list(good)
                arguments[place] = value
                try:
                    weights.read(*arguments)
                except (TypeError, ValueError, OverflowError, nwcodec.Error):
                    pass
        for value in wrong:
            for call in (_nwcodec.Weights.open, _nwcodec.inspect, _nwcodec.compress, _nwcodec.decompress, nwcodec.open):
                with self.assertRaises((TypeError, ValueError, OSError, nwcodec.Error), msg=f"{call} {value!r}"):
                    call(value, value)

    def test_read_only_buffers_are_refused(self):
        out = np.empty(4 * 256 * 704, np.uint8)
        out.flags.writeable = False
        with self.assertRaises(TypeError):
            nwcodec.open(compressed())[NAME].read_into(out, "F32")


class Layers(unittest.TestCase):
    GOLDENS = ROOT / "tests" / "data" / "golden"

    def test_prefixes_of_a_progressive_checkpoint(self):
        read = [nwcodec.open(self.GOLDENS / "layers", layers=n)["a.weight"][...] for n in (1, 2, 3)]
        self.assertFalse(np.array_equal(read[0], read[1]))
        self.assertFalse(np.array_equal(read[1], read[2]))
        np.testing.assert_array_equal(nwcodec.open(self.GOLDENS / "layers")["a.weight"][...], read[2])
        with self.assertRaises(nwcodec.errors.NotFoundError):
            nwcodec.open(self.GOLDENS / "layers", layers=4)
        with self.assertRaises(ValueError):
            nwcodec.open(self.GOLDENS / "layers", layers=0)

    def test_a_delta_and_its_base(self):
        delta = nwcodec.open(self.GOLDENS / "delta", base=self.GOLDENS / "layers")
        self.assertIn("added.weight", delta)
        self.assertIn("b.weight", delta)  # the base's
        self.assertEqual(list(delta), list(nwcodec.open(self.GOLDENS / "delta")))
        with self.assertRaises(nwcodec.Error):
            nwcodec.open(self.GOLDENS / "delta", base=self.GOLDENS / "trellis")

    @needs_torch
    def test_a_deltas_shard_shows_its_base_too(self):
        from nwcodec.decoded_file import DecodedFile

        delta = nwcodec.open(self.GOLDENS / "delta")
        with DecodedFile(self.GOLDENS / "delta" / "model.safetensors", delta) as file:
            self.assertEqual(file.keys(), list(delta))
            for name, tensor in delta.items():
                self.assertTrue(file.get_tensor(name).equal(tensor.torch()), name)
        with DecodedFile(self.GOLDENS / "delta" / "codec.safetensors", delta) as file:
            self.assertEqual(file.keys(), [])

    def test_texts_name_arguments(self):
        with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "ask for layers=3"):
            nwcodec.open(self.GOLDENS / "layers", layers=4)
        with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "name it with base=DIRECTORY"):
            nwcodec.open(self.GOLDENS / "delta", base="/no/such")


if __name__ == "__main__":
    unittest.main()
