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
                self.assertTrue(any("experts.3" in key[0] for key in mine))
                for key, values in theirs.items():
                    self.assertLessEqual(np.linalg.norm(mine[key] - values), 1e-5 * np.linalg.norm(values), key)

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
