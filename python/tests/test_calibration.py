"""Calibration by hooks: the C++ program's numbers, other architectures, and what compression makes of them."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
from support import DEMO, TEXT, needs_transformers

import nwcodec
from nwcodec import plain_files

PROGRAM = os.environ.get("NWCODEC_PROGRAM", "")


def moments(directory):
    """By weight and kind, from the files of a calibration."""
    result = {}
    for path in sorted(Path(directory).glob("hessians-*.safetensors")):
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        weights = json.loads(header["__metadata__"]["nwcodec.hessians"])["weights"]

        def read(name, header=header, data=data, size=size):
            begin, end = header[name]["data_offsets"]
            return np.frombuffer(data, np.float32, (end - begin) // 4, 8 + size + begin)

        for name, use in weights.items():
            result[name, "hessian"] = read(f"hessian.{use['hessian']}")
            for kind in ("inputs", "rows", "outputs", "effective"):
                for key in ("fisher", "lookup"):
                    stored = f"fisher.{use.get(key)}.{kind}"
                    if stored in header:
                        result[name, key, kind] = read(stored)
    return result


@needs_transformers
class Calibrate(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = Path(self.directory.name)

    def calibrate_demo(self, output, **options):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from nwcodec.calibration import draw_sequences

        model = AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
        ids = AutoTokenizer.from_pretrained(DEMO)(TEXT.read_text(), add_special_tokens=False).input_ids
        return nwcodec.calibrate(model, draw_sequences(ids, 64, 6), output, **options)

    @unittest.skipUnless(PROGRAM, "the C++ program is not at hand")
    def test_agrees_with_the_program(self):
        self.calibrate_demo(self.root / "python")
        command = [PROGRAM, "calibrate", DEMO, "--text", TEXT, "--sequences", "6", "--length", "64", "--quiet"]
        subprocess.run([*command, "-o", self.root / "program"], check=True, stdout=subprocess.DEVNULL)
        mine, theirs = moments(self.root / "python"), moments(self.root / "program")
        self.assertEqual(mine.keys(), theirs.keys())
        for key, values in theirs.items():
            self.assertLess(np.linalg.norm(mine[key] - values), 1e-5 * np.linalg.norm(values), key)

    @unittest.skipUnless(PROGRAM, "the C++ program is not at hand")
    def test_agrees_with_the_program_on_experts(self):
        import torch
        import transformers

        from nwcodec.calibration import draw_sequences

        shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=64)
        for config in (
            transformers.MixtralConfig(**shape, intermediate_size=96, num_local_experts=4),
            transformers.Qwen3MoeConfig(
                **shape, moe_intermediate_size=48, num_experts=4, num_experts_per_tok=2, head_dim=16
            ),
            # Whose checkpoint has the experts in one tensor, inputs first.
            transformers.GptOssConfig(
                **shape, intermediate_size=96, num_local_experts=4, num_experts_per_tok=2, head_dim=16
            ),
        ):
            with self.subTest(config.model_type):
                torch.manual_seed(1)
                original = self.root / config.model_type
                transformers.AutoModelForCausalLM.from_config(config).save_pretrained(original)
                words = {f"t{i}": i for i in range(64)}
                tokenizer = {"type": "WordPiece", "unk_token": "t0", "continuing_subword_prefix": "##", "vocab": words}
                tokenizer |= {"max_input_chars_per_word": 100}
                (original / "tokenizer.json").write_text(
                    json.dumps({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "model": tokenizer})
                )
                ids = torch.randint(1, 64, (4 * 48,)).tolist()
                text = self.root / "text"
                text.write_text(" ".join(f"t{i}" for i in ids))
                command = [PROGRAM, "calibrate", original, "--text", text, "--sequences", "4", "--length", "48"]
                subprocess.run(
                    [*command, "--quiet", "-o", f"{original}.program"], check=True, stdout=subprocess.DEVNULL
                )
                model = transformers.AutoModelForCausalLM.from_pretrained(original, dtype=torch.float32)
                nwcodec.calibrate(model, draw_sequences(ids, 48, 4), f"{original}.python")
                mine, theirs = moments(f"{original}.python"), moments(f"{original}.program")
                self.assertEqual(mine.keys(), theirs.keys())
                self.assertTrue(any("experts.3" in key[0] or "experts.down_proj" in key[0] for key in mine))
                for key, values in theirs.items():
                    self.assertLessEqual(np.linalg.norm(mine[key] - values), 1e-5 * np.linalg.norm(values), key)

    def batches(self):
        import torch

        return [torch.randint(1, 64, (1, 48), generator=torch.Generator().manual_seed(i)) for i in range(3)]

    def test_experts_in_one_tensor_are_those_one_by_one(self):
        import torch
        import transformers

        import nwcodec.hf  # noqa: F401

        torch.manual_seed(1)
        shape = dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, vocab_size=64)
        config = transformers.MixtralConfig(**shape, intermediate_size=96, num_local_experts=4)
        model = transformers.AutoModelForCausalLM.from_config(config)
        one, fused = self.root / "one", self.root / "fused"
        model.save_pretrained(one)
        plain_files.write(fused, model.state_dict())  # by the names of parameters
        (fused / "config.json").write_text((one / "config.json").read_text())
        found = {}
        for directory in (one, fused):
            model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
            report = nwcodec.calibrate(model, self.batches(), f"{directory}.hessians")
            self.assertEqual(report["skipped"], [])
            found[directory] = moments(f"{directory}.hessians")
        experts = "model.layers.0.mlp.experts"
        # Of what is stacked the inputs are the same, and |g|^2 is a sum.
        stacked = {("hessian",): lambda x: x[0], ("fisher", "inputs"): sum, ("fisher", "rows"): np.concatenate}
        for whole, parts in (("gate_up_proj", ("w1", "w3")), ("down_proj", ("w2",))):
            names = [[f"model.layers.0.block_sparse_moe.experts.{e}.{p}.weight" for p in parts] for e in range(4)]
            for kind, stack in stacked.items():
                expected = np.concatenate([stack([found[one][(name, *kind)] for name in some]) for some in names])
                error = np.linalg.norm(found[fused][(f"{experts}.{whole}", *kind)] - expected)
                self.assertLess(error, 1e-5 * np.linalg.norm(expected), (whole, kind))
        small = self.root / "small"
        nwcodec.compress(fused, small, bits=5.0, hessians=f"{fused}.hessians", keep_embeddings=True)
        self.assertTrue(nwcodec.open(small)[f"{experts}.gate_up_proj"].compressed)
        for resident in ("decoded", "compressed"):
            loaded = transformers.AutoModelForCausalLM.from_pretrained(small, nwcodec_resident=resident)
            expected = nwcodec.open(small)[f"{experts}.gate_up_proj"].torch()
            self.assertTrue(loaded.get_parameter(f"{experts}.gate_up_proj").equal(expected))

    def test_experts_that_are_multiplied_all_at_once(self):
        import torch
        import transformers

        torch.manual_seed(1)
        shape = dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, vocab_size=64)
        config = transformers.Llama4TextConfig(
            **shape, intermediate_size=96, intermediate_size_mlp=96, num_local_experts=4, head_dim=16, pad_token_id=None
        )
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(self.root / "model")
        model = transformers.AutoModelForCausalLM.from_pretrained(self.root / "model", dtype=torch.float32)
        inputs = []
        experts = model.model.layers[0].feed_forward.experts
        experts.register_forward_pre_hook(lambda _, x: inputs.append(x[0].detach().view(4, -1, 64)))
        self.assertEqual(nwcodec.calibrate(model, self.batches(), self.root / "hessians")["skipped"], [])
        seen = torch.cat(inputs, 1)
        expected = []
        for rows in seen:
            rows = rows[(rows != 0).any(-1)]
            mean = rows.T @ rows / len(rows)
            expected.append(mean[tuple(torch.tril_indices(64, 64))])
            self.assertLess(len(rows), 3 * 48)  # one expert for each token
        found = moments(self.root / "hessians")["model.layers.0.feed_forward.experts.gate_up_proj", "hessian"]
        np.testing.assert_allclose(found, torch.cat(expected).numpy(), rtol=1e-5, atol=1e-7)
        report = nwcodec.compress(self.root / "model", self.root / "small", bits=5.0, hessians=self.root / "hessians")
        self.assertEqual([w for w in report["warnings"] if "experts" in w], [])

    def test_experts_whose_sides_change_places_on_the_way(self):
        import torch
        import transformers

        torch.manual_seed(1)
        text = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=64)
        text |= dict(moe_intermediate_size=48, num_experts=4, num_experts_per_tok=2, head_dim=16, intermediate_size=96)
        vision = dict(depth=1, hidden_size=32, intermediate_size=32, num_heads=2, out_hidden_size=64)
        config = transformers.Qwen3VLMoeConfig(
            text_config=text, vision_config=vision | {"deepstack_visual_indexes": []}
        )
        saved, published = self.root / "saved", self.root / "published"
        transformers.Qwen3VLMoeForConditionalGeneration(config).save_pretrained(saved)
        tensors = {name: tensor.torch() for name, tensor in nwcodec.open(saved).items()}
        plain_files.write(published, {n: t.mT.contiguous() if ".experts." in n else t for n, t in tensors.items()})
        (published / "config.json").write_text((saved / "config.json").read_text())
        found = []
        for directory in (saved, published):
            model = transformers.Qwen3VLMoeForConditionalGeneration.from_pretrained(directory, dtype=torch.float32)
            nwcodec.calibrate(model, self.batches(), f"{directory}.hessians")
            found.append(moments(f"{directory}.hessians"))
            options = {"hessians": f"{directory}.hessians", "exclude": "visual", "keep_embeddings": True}
            nwcodec.compress(directory, f"{directory}.small", bits=5.0, **options)
        self.assertEqual(found[0].keys(), found[1].keys())
        for key, values in found[0].items():
            np.testing.assert_array_equal(values, found[1][key], str(key))
        # The same weights in another order are compressed to the same.
        name = "model.language_model.layers.0.mlp.experts.gate_up_proj"
        small = [nwcodec.open(f"{directory}.small")[name].numpy() for directory in (saved, published)]
        np.testing.assert_allclose(small[0], small[1].transpose(0, 2, 1), rtol=1e-6)

    def test_in_several_passes_gives_the_same(self):
        self.assertEqual(self.calibrate_demo(self.root / "one")["passes"], 1)
        self.assertEqual(self.calibrate_demo(self.root / "many", memory=1)["passes"], 6)
        one, many = moments(self.root / "one"), moments(self.root / "many")
        self.assertEqual(one.keys(), many.keys())
        for key, values in one.items():
            np.testing.assert_array_equal(values, many[key], str(key))

    def test_takes_rows_of_ids_as_they_come(self):
        import torch
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
        ids = list(range(20, 52))
        found = []
        for i, batch in enumerate([torch.tensor([ids]), torch.tensor(ids), ids, np.array(ids, np.int32)]):
            nwcodec.calibrate(model, [batch], self.root / str(i))
            found.append(moments(self.root / str(i)))
        for other in found[1:]:
            for key, values in found[0].items():
                np.testing.assert_array_equal(values, other[key], str(key))

    def test_leaves_nothing_when_it_fails(self):
        import torch

        with self.assertRaises(nwcodec.errors.InvalidArgumentError):
            nwcodec.calibrate(torch.nn.Linear(4, 4), [], self.root / "none")
        with self.assertRaises(nwcodec.errors.NotFoundError):
            nwcodec.calibrate(torch.nn.Linear(4, 4), [torch.zeros(1, 4)], self.root / "none")
        self.assertEqual(list(self.root.iterdir()), [])

    def test_of_architectures_that_the_program_does_not_know(self):
        import torch
        import transformers

        import nwcodec.hf  # noqa: F401

        shape = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, vocab_size=320)
        for config in (
            transformers.GPTNeoXConfig(**shape, max_position_embeddings=64),
            transformers.OPTConfig(
                hidden_size=128,
                ffn_dim=256,
                num_hidden_layers=2,
                num_attention_heads=4,
                vocab_size=320,
                word_embed_proj_dim=128,
                max_position_embeddings=64,
                pad_token_id=1,
            ),
            transformers.StableLmConfig(**shape, num_key_value_heads=2, max_position_embeddings=64),
        ):
            with self.subTest(config.model_type):
                torch.manual_seed(1)
                model = transformers.AutoModelForCausalLM.from_config(config).float().eval()
                for parameter in model.parameters():
                    if parameter.dim() == 2:
                        parameter.data *= 4
                original = self.root / config.model_type
                model.save_pretrained(original)
                model = transformers.AutoModelForCausalLM.from_pretrained(original)
                # Inputs of unequal importance, as texts have them.
                batches = [torch.randint(0, 24, (1, 48), generator=torch.Generator().manual_seed(i)) for i in range(12)]
                report = nwcodec.calibrate(model, batches, f"{original}.hessians")
                self.assertEqual(report["blocks"], 2)
                probe = torch.randint(0, 24, (1, 48), generator=torch.Generator().manual_seed(99))
                errors = {}
                for name, options in (("calibrated", {"hessians": f"{original}.hessians"}), ("data-free", {})):
                    output = self.root / f"{config.model_type}-{name}"
                    nwcodec.compress(original, output, bits=4.0, keep_embeddings=True, **options)
                    small = transformers.AutoModelForCausalLM.from_pretrained(output)
                    with torch.no_grad():
                        expected, found = model(probe).logits, small(probe).logits
                    errors[name] = ((found - expected).norm() / expected.norm()).item()
                self.assertLess(errors["calibrated"], errors["data-free"], errors)


if __name__ == "__main__":
    unittest.main()
