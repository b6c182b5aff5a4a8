"""Checkpoints from a hub, of which loaders fetch file by file: everything that belongs to one comes along."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import compressed, delta, needs_transformers, progressive

COMMITS = {"main": "a" * 40, "other": "b" * 40}
EXPECTED = ["codec.safetensors"] * 4 + ["refinement-1/codec.safetensors", "refinement-1/model.safetensors"]
LOAD = """
import sys, torch
import nwcodec, nwcodec.hf
from transformers import AutoModelForCausalLM
directory = sys.argv.pop()
def check(model, expected):
    for name, parameter in model.named_parameters():
        assert parameter.equal(expected[name].torch()), name
for revision, layers, local in (argument.split(",") for argument in sys.argv[1:]):
    options = dict(revision=revision, nwcodec_layers=int(layers) or None, local_files_only=local == "local")
    model = AutoModelForCausalLM.from_pretrained("owner/name", **options)
    check(model, nwcodec.open(directory + ("" if revision == "main" else "-other"), layers=int(layers) or None))
for local in (False, True):
    model = AutoModelForCausalLM.from_pretrained("owner/delta", nwcodec_base="owner/base", local_files_only=local)
    check(model, nwcodec.open(directory + "-delta", base=directory + "-other"))
for base in ("owner/none", "not-there/at.all"):
    try:
        AutoModelForCausalLM.from_pretrained("owner/delta", nwcodec_base=base)
    except nwcodec.errors.NotFoundError as error:
        assert "nwcodec_base=DIRECTORY" in str(error) and error.file == base
    else:
        assert False, base
"""


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as downloads ask for.

    Args:
        directories: the files of each model by commit.
        sent: takes the names of files that were fetched.
    """

    def __init__(self, directories, sent, *arguments):
        self.directories, self.sent = directories, sent
        super().__init__(*arguments)

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        owner, model, *rest = self.path.split("?")[0].strip("/").removeprefix("api/models/").split("/")
        commits = self.directories.get(f"{owner}/{model}")
        if commits is None:
            return self.answer(404, X_Error_Code="RepoNotFound")
        kind, revision, *name = rest or ["revision", "main"]
        commit = COMMITS.get(revision, revision)
        root, name = commits[commit], "/".join(name)
        if kind != "resolve":
            return self.tell(kind, f"{owner}/{model}", commit, root)
        file = root / name
        if not file.is_file():
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        body = file.read_bytes()
        if self.command == "GET":
            self.sent.append(name)
        return self.answer(200, body, ETag=f'"{hashlib.sha256(body).hexdigest()}"', X_Repo_Commit=commit)

    do_HEAD = do_GET

    def tell(self, kind, model, commit, root):
        """What files there are: old clients ask for a revision, new ones for its tree."""
        names = {p.relative_to(root).as_posix(): p.stat().st_size for p in root.rglob("*") if p.is_file()}
        if kind == "tree":
            body = [{"type": "file", "path": name, "size": size, "oid": "0" * 40} for name, size in names.items()]
        else:
            body = {"id": model, "sha": commit, "siblings": [{"rfilename": name} for name in names]}
            body |= {"private": False, "tags": [], "downloads": 0}
        return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

    def log_message(self, *_):
        pass


@needs_transformers
class FromAHub(unittest.TestCase):
    def test_codec_and_refinements_come_along(self):
        directories = {
            "owner/name": {COMMITS["main"]: progressive(), COMMITS["other"]: compressed()},
            "owner/delta": {COMMITS["main"]: delta()},
            "owner/base": {COMMITS["main"]: compressed()},
        }
        sent = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directories, sent))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with tempfile.TemporaryDirectory() as home:
                names = os.path.join(home, "checkpoint")
                os.symlink(progressive(), names)
                os.symlink(compressed(), names + "-other")
                os.symlink(delta(), names + "-delta")
                environment = os.environ | {
                    "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
                    "HF_HOME": home,
                    "HF_HUB_OFFLINE": "0",
                    "HF_HUB_DISABLE_XET": "1",
                    "NO_PROXY": "127.0.0.1",
                    "no_proxy": "127.0.0.1",
                }
                # What is in the cache serves without a hub.
                loads = ("main,0,", "main,1,", "other,0,", "main,0,local")
                command = [sys.executable, "-c", LOAD, *loads, names]
                ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.assertEqual(sorted(name for name in sent if name.startswith(("codec", "refinement"))), EXPECTED)
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


if __name__ == "__main__":
    unittest.main()
