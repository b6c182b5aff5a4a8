"""Tensors that are decoded when they are used, and ranks of tensor parallelism that decode only their part."""

import types
import unittest

from support import DEMO, compressed, decompressed, needs_torch

import nwcodec

UP, DOWN = "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight"


@needs_torch
class LazyTensors(unittest.TestCase):
    def setUp(self):
        from nwcodec.lazy import lazy

        self.decoded = 0

        def decode(tensor, index):
            part = tensor.torch(index=index)
            self.decoded += part.numel()
            return part

        self.lazy = lambda name: lazy(nwcodec.open(compressed())[name], decode)
        self.plain = nwcodec.open(decompressed())

    def test_parts_are_those_of_the_tensor(self):
        import torch

        whole, lazy = self.plain[UP].torch(), self.lazy(UP)
        self.assertEqual((lazy.shape, lazy.dtype, lazy.device.type), (whole.shape, whole.dtype, "cpu"))
        for part in (
            lambda t: t,
            lambda t: t.narrow(0, 16, 32),
            lambda t: t.narrow(1, 3, 5).narrow(0, 1, 2),
            lambda t: t[5:9, -7:],
            lambda t: t[-1],
            lambda t: t[3, 10:20],
            lambda t: t[2][4],
            lambda t: t[10:10],
            lambda t: t.data.detach()[:4],
        ):
            from nwcodec.lazy import LazyTensor

            self.decoded = 0
            found = part(lazy)
            self.assertIsInstance(found, LazyTensor)
            self.assertEqual(self.decoded, 0)
            self.assertEqual(found.shape, part(whole).shape)
            self.assertTrue(torch.equal(torch.empty(found.shape, dtype=whole.dtype).copy_(found), part(whole)))
            self.assertEqual(self.decoded, part(whole).numel())

    def test_everything_else_decodes_and_is_ordinary(self):
        import torch

        whole, lazy = self.plain[UP].torch(), self.lazy(UP)
        for use in (
            lambda t: t.t(),
            lambda t: t + 1,
            lambda t: t.float().half(),
            lambda t: t[::2],
            lambda t: t.view(-1),
            lambda t: torch.cat([t[:3], t[5:6]]),
            lambda t: t.chunk(2)[1].contiguous(),
            lambda t: t[[1, 4]],
            lambda t: t.clone(),
        ):
            found = use(lazy)
            self.assertIs(type(found), torch.Tensor)
            self.assertTrue(torch.equal(found, use(whole)))
        with self.assertRaises(RuntimeError):
            lazy.narrow(0, 0, 10**6)
        with self.assertRaises(IndexError):
            lazy[10**6]

    def test_ranks_decode_their_part(self):
        """As engines load: columns of a layer's outputs, rows of its inputs, from one tensor each."""
        import torch

        size = 2
        for rank in range(size):
            self.decoded = 0
            up, down = self.lazy(UP), self.lazy(DOWN)
            rows, columns = up.shape[0] // size, down.shape[1] // size
            mine_up = torch.empty(rows, up.shape[1], dtype=up.dtype).copy_(up.narrow(0, rank * rows, rows))
            mine_down = torch.empty(down.shape[0], columns, dtype=down.dtype)
            mine_down.copy_(down.narrow(1, rank * columns, columns))
            self.assertEqual(self.decoded, (up.numel() + down.numel()) // size)
            self.assertTrue(torch.equal(mine_up, self.plain[UP].torch()[rank * rows : (rank + 1) * rows]))
            self.assertTrue(torch.equal(mine_down, self.plain[DOWN].torch()[:, rank * columns : (rank + 1) * columns]))

    def test_engines_are_given_them_and_the_claims_see_them(self):
        import safetensors
        import torch

        from nwcodec.lazy import LazyTensor
        from nwcodec.serving import CheckedLoad, show_decoded

        reader = types.SimpleNamespace(safe_open=safetensors.safe_open)
        show_decoded(reader)
        shape = nwcodec.open(DEMO)[UP].shape
        model = torch.nn.Module()
        model.up = torch.nn.Parameter(torch.empty(shape[0] // 2, shape[1], dtype=torch.float16))

        def load(first, rows):
            checked = CheckedLoad(model, "here")
            with checked, torch.no_grad(), reader.safe_open(str(compressed() / "model.safetensors"), "pt") as file:
                for _, tensor in checked.watch([(UP, file.get_tensor(UP))]):
                    self.assertIsInstance(tensor, LazyTensor)
                    model.up[:rows].copy_(tensor.narrow(0, first, rows))

        load(shape[0] // 2, shape[0] // 2)
        self.assertTrue(torch.equal(model.up.data, self.plain[UP].torch()[shape[0] // 2 :].half()))
        with self.assertRaisesRegex(nwcodec.errors.MismatchError, "fills up"):
            load(0, 3)


if __name__ == "__main__":
    unittest.main()
