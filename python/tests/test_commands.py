"""Compressing and decompressing: the same bytes as the program's, callbacks, interruptions."""

import contextlib
import contextvars
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
from support import DEMO, TEXT, compressed, decompressed, delta, needs_transformers, progressive, reports, tuned

import nwcodec
import nwcodec.__main__

PROGRAM = os.environ.get("NWCODEC_PROGRAM", "")  # the C++ program, if it was built


def hashes(directory):
    files = (p for p in sorted(Path(directory).rglob("*")) if p.is_file())
    return {str(p.relative_to(directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


class Compress(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.output = Path(self.directory.name) / "out"

    def test_reports_what_it_did(self):
        seen = []
        report = nwcodec.compress(DEMO, self.output, codec="fast-1000", progress=lambda *a: seen.append(a))
        self.assertEqual(len(report["tensors"]), 42)
        self.assertLess(report["output_bytes"], report["input_bytes"])
        self.assertTrue(seen and all(0 <= done <= total for done, total, _ in seen))
        found = nwcodec.inspect(self.output, verify=True)
        self.assertEqual(found["file_bytes"], report["output_bytes"])
        self.assertEqual(report["codec"], "fast-1000.safetensors")

    @unittest.skipUnless(PROGRAM, "the C++ program is not at hand")
    def test_writes_the_programs_bytes(self):
        nwcodec.compress(DEMO, self.output, bits=4.0)
        other = self.output.with_name("other")
        subprocess.run([PROGRAM, "compress", DEMO, "-o", other, "--bits", "4", "--quiet"], check=True)
        self.assertEqual(hashes(self.output), hashes(other))

    @unittest.skipUnless(PROGRAM, "the C++ program is not at hand")
    def test_writes_the_programs_layers_and_deltas(self):
        command = [PROGRAM, "compress", DEMO, "-o", self.output, "--layers", "2.5,4", "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        self.assertEqual(hashes(progressive()), hashes(self.output))
        base, other = self.output.with_name(compressed().name), self.output.with_name("delta")
        shutil.copytree(compressed(), base)
        command = [PROGRAM, "compress", tuned(), "--base", base, "--base-model", DEMO, "--bits", "1", "--quiet"]
        subprocess.run([*command, "-o", other], check=True, capture_output=True)
        self.assertEqual(hashes(delta()), hashes(other))

    def test_reports_layers_and_differences(self):
        report, found = reports[progressive()], nwcodec.inspect(progressive())
        self.assertEqual(report["output_bytes"], found["file_bytes"])
        self.assertEqual([prefix["file_bytes"] for prefix in report["layers"]][-1], found["file_bytes"])
        self.assertAlmostEqual(report["layers"][0]["bits_per_weight"], 2.5, delta=0.02)
        self.assertAlmostEqual(report["layers"][1]["bits_per_weight"], found["bits_per_weight"])
        self.assertEqual(reports[delta()]["differences"], {"differences": 7, "whole": 1, "unchanged": 48})

    def test_takes_tensors(self):
        rng = np.random.default_rng(1)
        tensors = {f"layers.{i}.proj.weight": rng.normal(size=(64, 96)).astype(np.float32) for i in range(3)}
        tensors["norm.weight"] = np.ones(64, np.float32)
        report = nwcodec.compress(tensors, self.output)
        self.assertEqual(len(report["tensors"]), 3)
        small = nwcodec.open(self.output)
        self.assertEqual(list(small), sorted(tensors))
        np.testing.assert_array_equal(small["norm.weight"].numpy(), tensors["norm.weight"])
        self.assertFalse(Path(f"{self.output}.tensors").exists())

    def test_leaves_a_folder_of_the_user_alone(self):
        tensors = {"layers.0.proj.weight": np.ones((64, 96), np.float32)}
        mine = self.output.with_name(f"{self.output.name}.tensors")
        mine.mkdir()
        (mine / "notes").write_text("mine")
        with self.assertRaisesRegex(nwcodec.errors.ExistsError, "move it"):
            nwcodec.compress(tensors, self.output)
        self.assertEqual((mine / "notes").read_text(), "mine")
        other = self.output.with_name("other")
        nwcodec.compress(tensors, f"{other}/")  # the slash puts nothing inside
        self.assertEqual(
            sorted(p.name for p in other.iterdir() if p.suffix != ".json"), ["codec.safetensors", "model.safetensors"]
        )
        self.assertFalse(Path(f"{other}.tensors").exists())

    def test_takes_one_pattern_or_several(self):
        for i, exclude in enumerate((r"\.mlp\.", [r"\.mlp\."])):
            report = nwcodec.compress(DEMO, self.output.with_name(str(i)), exclude=exclude)
            self.assertEqual(len(report["tensors"]), 24)

    def test_refuses_what_makes_no_sense(self):
        for wrong in (
            {"bits": 4.0, "size": "1MB"},
            {"size": "much"},
            {"steps": "none"},
            {"codec": "no such"},
            {"layers": [3, 2.5]},
            {"layers": [3]},
            {"layers": [2, 3], "bits": 3.0},
            {"base_model": DEMO},
            {"base": compressed()},
            {"base": compressed(), "layers": [2, 3]},
            {"base": DEMO, "bits": 1.0},
        ):
            with self.assertRaises(nwcodec.Error, msg=str(wrong)):
                nwcodec.compress(DEMO, self.output, **wrong)
        with self.assertRaises(nwcodec.Error):
            nwcodec.compress({"a.0.weight": "text"}, self.output)
        with self.assertRaises(nwcodec.errors.InvalidArgumentError):
            nwcodec.compress(DEMO, DEMO)
        self.assertFalse(self.output.exists())
        with self.assertRaises(nwcodec.errors.ExistsError):
            nwcodec.compress(DEMO, compressed(), bits=3.0)

    def test_hands_a_callbacks_exception_on(self):
        def stop(done, total, what):
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            nwcodec.compress(DEMO, self.output, bits=4.0, progress=stop)

    def test_is_interrupted_by_the_keyboard(self):
        # Python has no handler where the signal was ignored when it began, as in the background of a shell.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            with self.assertRaises(KeyboardInterrupt):
                for i in range(50):
                    nwcodec.compress(DEMO, self.output.with_name(str(i)), bits=4.0)
        finally:
            timer.cancel()

    def test_lets_other_threads_run(self):
        ticks = []
        ended = threading.Event()

        def tick():
            while not ended.wait(0.01):
                ticks.append(1)

        other = threading.Thread(target=tick)
        other.start()
        nwcodec.compress(DEMO, self.output, bits=4.0)
        ended.set()
        other.join()
        self.assertGreater(len(ticks), 5)


class Inspect(unittest.TestCase):
    def test_counts_layers(self):
        whole, base = nwcodec.inspect(progressive(), verify=True), nwcodec.inspect(progressive(), layers=1)
        self.assertEqual([layer["folder"] for layer in whole["layers"]], ["", "refinement-1"])
        self.assertEqual(len(base["layers"]), 1)
        self.assertEqual(sum(layer["file_bytes"] for layer in whole["layers"]), whole["file_bytes"])
        self.assertLess(base["bits_per_weight"], whole["bits_per_weight"])
        self.assertIsNone(whole["base"])
        with self.assertRaises(nwcodec.errors.NotFoundError):
            nwcodec.inspect(progressive(), layers=3)
        with self.assertRaises(nwcodec.errors.InvalidArgumentError):
            nwcodec.inspect(progressive(), layers=0)

    def test_of_a_delta_counts_its_own_bytes(self):
        found = nwcodec.inspect(delta(), verify=True)
        self.assertTrue(Path(found["base"]).samefile(compressed()))
        self.assertEqual(found["file_bytes"], sum(p.stat().st_size for p in delta().glob("*.safetensors")))
        self.assertGreater(found["unchanged_tensors"], len(found["tensors"]))
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(shutil.copytree(delta(), Path(directory) / "delta"))
            with self.assertRaisesRegex(nwcodec.errors.NotFoundError, "base=DIRECTORY"):
                nwcodec.inspect(copy)
            self.assertEqual(nwcodec.inspect(copy, base=compressed())["tensors"], found["tensors"])
            text = nwcodec.write_card(copy, base=compressed()).read_text()
            self.assertIn('nwcodec_base="BASE"', text)
            self.assertIn("`small`", text)


class Decompress(unittest.TestCase):
    def test_takes_layers_and_a_base(self):
        for source, options in ((progressive(), {"layers": 1}), (progressive(), {}), (delta(), {"base": compressed()})):
            with tempfile.TemporaryDirectory() as directory:
                nwcodec.decompress(source, Path(directory) / "out", **options)
                plain, small = nwcodec.open(Path(directory) / "out"), nwcodec.open(source, **options)
                self.assertEqual(list(plain), list(small))
                for name, tensor in small.items():
                    np.testing.assert_array_equal(plain[name].numpy("BF16"), tensor.numpy("BF16"), name)

    def test_gives_names_shapes_and_dtypes_back(self):
        plain, original = nwcodec.open(decompressed()), nwcodec.open(DEMO)
        self.assertEqual(
            [(t.name, t.dtype, t.shape) for t in plain.values()],
            [(t.name, t.dtype, t.shape) for t in original.values()],
        )

    def test_refuses_dtypes(self):
        with tempfile.TemporaryDirectory() as directory, self.assertRaises(nwcodec.errors.InvalidArgumentError):
            nwcodec.decompress(compressed(), Path(directory) / "out", dtype="I8")


class Card(unittest.TestCase):
    def test_carries_the_licence_and_counts_bytes(self):
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(shutil.copytree(compressed(), Path(directory) / "small"))
            original = "---\nlicense: mit\ntags:\n- other\nlanguage:\n- en\n- fr\n---\n# Original\n"
            (copy / "README.md").write_text(original)
            for _ in range(2):  # the second time the card is its own
                text = nwcodec.write_card(copy, "owner/name").read_text()
                self.assertEqual((copy / "README.base.md").read_text(), original)
            head = text.split("---")[1]
            self.assertIn('license: mit\nlanguage:\n- en\n- fr\nbase_model: "owner/name"', head)
            self.assertNotIn("other", head)
            self.assertIn(f"| {nwcodec.inspect(copy)['bits_per_weight']:.3f} |", text)
            sums = dict(reversed(line.split("  ")) for line in (copy / "SHA256SUMS").read_text().splitlines())
            self.assertEqual(set(sums), {p.name for p in copy.iterdir()} - {"SHA256SUMS"})
            for name, digest in sums.items():
                self.assertEqual(hashlib.sha256((copy / name).read_bytes()).hexdigest(), digest)
            self.assertTrue(nwcodec.open(copy).compressed)

    @unittest.skipUnless(PROGRAM, "the C++ program is not at hand")
    def test_tells_of_all_layers(self):
        with tempfile.TemporaryDirectory() as directory:
            small = Path(directory) / "small"
            subprocess.run([PROGRAM, "compress", DEMO, "-o", small, "--layers", "3,5"], check=True, capture_output=True)
            config = json.loads((small / "config.json").read_text())
            measured = {"kl_divergence": 0.25, "command": "compress demo --layers 3 5", "texts": []}
            config["quantization_config"]["measured"] = measured
            (small / "config.json").write_text(json.dumps(config))
            text = nwcodec.write_card(small).read_text()
            self.assertNotIn("0.25", text)  # was measured of the base
            measured["refined"] = [{"kl_divergence": 0.0625}]
            (small / "config.json").write_text(json.dumps(config))
            text = nwcodec.write_card(small).read_text()
            self.assertIn("| KL divergence from the original, nats per token | 0.0625 |", text)
            self.assertIn("`nwcodec compress demo --layers 3 5`", text)
            sums = dict(reversed(line.split("  ")) for line in (small / "SHA256SUMS").read_text().splitlines())
            for name in ("refinement-1/codec.safetensors", "refinement-1/model.safetensors"):
                self.assertEqual(hashlib.sha256((small / name).read_bytes()).hexdigest(), sums[name])
            # What is made of it is another checkpoint, of which the card is not true.
            base = Path(directory) / "base"
            subprocess.run([PROGRAM, "trim", small, "-o", base, "--layers", "1"], check=True, capture_output=True)
            self.assertFalse({"README.md", "SHA256SUMS"} & {p.name for p in base.iterdir()})

    def test_is_of_compressed_checkpoints_only(self):
        with self.assertRaises(nwcodec.Error):
            nwcodec.write_card(DEMO)
        self.assertFalse((DEMO / "SHA256SUMS").exists())


class CommandLine(unittest.TestCase):
    def run_it(self, *arguments):
        return subprocess.run([sys.executable, "-m", "nwcodec", *map(str, arguments)], capture_output=True, text=True)

    def test_round_trip(self):
        with tempfile.TemporaryDirectory() as directory:
            small, plain = Path(directory) / "s", Path(directory) / "p"
            ran = self.run_it("compress", DEMO, "-o", small, "--bits", 4)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertEqual(self.run_it("decompress", small, "-o", plain).returncode, 0)
            self.assertIn("down_proj", self.run_it("inspect", small).stdout)
            self.assertEqual(hashes(small), hashes(compressed()))

    def test_exit_codes(self):
        self.assertEqual(self.run_it("inspect", "/no/such").returncode, 1)
        self.assertEqual(self.run_it("compress", DEMO).returncode, 2)
        self.assertEqual(self.run_it("compress", DEMO, "-o", "/tmp/x", "--size", "much").returncode, 2)
        self.assertIn("no such directory", self.run_it("inspect", "/no/such").stderr)
        self.assertEqual(self.run_it("doctor").returncode, 0)

    def run_here(self, *arguments):
        """Without a process of its own."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = contextvars.copy_context().run(nwcodec.__main__.main, list(map(str, arguments)))
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), err.getvalue()

    def test_layers_and_bases(self):
        few = ("--exclude", r"layers\.[1-5]", "--quiet")
        with tempfile.TemporaryDirectory() as directory:
            small, other, plain = (Path(directory) / name for name in ("small", "delta", "plain"))
            self.assertEqual(self.run_here("compress", DEMO, "-o", small, "--layers", "2.5,4", *few)[0], 0)
            found = [json.loads(self.run_here("inspect", small, "--json", *n)[1]) for n in ((), ("--layers", 1))]
            self.assertEqual([len(one["layers"]) for one in found], [2, 1])
            ran = self.run_here("compress", DEMO, "-o", other, "--bits", 2, "--base", small, "--base-model", DEMO, *few)
            self.assertEqual(ran[0], 0, ran)
            shutil.move(other, Path(directory) / "in" / "another" / "place")
            other = Path(directory) / "in" / "another" / "place"
            code, _, text = self.run_here("inspect", other)
            self.assertEqual(code, 1)
            self.assertIn("name it with --base", text)
            found = json.loads(self.run_here("inspect", other, "--base", small, "--json")[1])
            self.assertTrue(Path(found["base"]).samefile(small))
            self.assertEqual(self.run_here("decompress", other, "--base", DEMO, "-o", plain)[0], 1)
            self.assertEqual(self.run_here("decompress", other, "--base", small, "-o", plain)[0], 0)
        self.assertEqual(self.run_here("inspect", progressive(), "--layers", 0)[0], 2)
        self.assertEqual(self.run_here("compress", DEMO, "-o", "/tmp/x", "--layers", "two")[0], 2)

    @needs_transformers
    def test_measures_layers_and_deltas(self):
        options = ("--text", TEXT, "--reference", tuned(), "--context", 256, "--windows", 2, "--json")
        found = []
        for given in ((progressive(), "--layers", 1), (progressive(),), (delta(), "--base", compressed())):
            code, out, text = self.run_here("eval", *given, *options)
            self.assertEqual(code, 0, text)
            found.append(json.loads(out)["kl_divergence"])
        self.assertEqual(found, sorted(found, reverse=True))
        code, _, text = self.run_here("generate", delta(), "--base", "/no/such", "--prompt", "Once")
        self.assertEqual(code, 1)
        self.assertIn("name it with --base", text)

    @needs_transformers
    def test_generates_on_compressed_weights(self):
        decoded = self.run_it("generate", compressed(), "--prompt", "Once upon", "--tokens", 12)
        resident = self.run_it(
            "generate", compressed(), "--prompt", "Once upon", "--tokens", 12, "--resident", "compressed"
        )
        self.assertEqual(decoded.returncode, 0, decoded.stderr)
        self.assertIn("Once upon", decoded.stdout)
        self.assertEqual(decoded.stdout.splitlines()[0], resident.stdout.splitlines()[0])
        measured = self.run_it("eval", compressed(), "--text", TEXT, "--reference", DEMO, "--context", 256, "--json")
        self.assertEqual(measured.returncode, 0, measured.stderr)


if __name__ == "__main__":
    unittest.main()
