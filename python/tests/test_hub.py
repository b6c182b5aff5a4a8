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

from support import compressed, needs_transformers, progressive

COMMITS = {"main": "a" * 40, "other": "b" * 40}
EXPECTED = ["codec.safetensors"] * 2 + ["refinement-1/codec.safetensors", "refinement-1/model.safetensors"]
LOAD = """
import sys, torch
import nwcodec, nwcodec.hf
from transformers import AutoModelForCausalLM
directory = sys.argv.pop()
for revision, layers, local in (argument.split(",") for argument in sys.argv[1:]):
    options = dict(revision=revision, nwcodec_layers=int(layers) or None, local_files_only=local == "local")
    model = AutoModelForCausalLM.from_pretrained("owner/name", **options)
    expected = nwcodec.open(directory + ("" if revision == "main" else "-other"), layers=int(layers) or None)
    for name, parameter in model.named_parameters():
        assert parameter.equal(expected[name].torch()), name
"""


class Hub(BaseHTTPRequestHandler):
    """As much of a hub as downloads ask for.

    Args:
        directories: the files of owner/name by commit.
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
        path = self.path.split("?")[0].strip("/")
        if path.startswith("api/models/owner/name/tree/"):
            root = self.directories[COMMITS.get(path.split("/")[5], path.split("/")[5])]
            files = [p for p in root.rglob("*") if p.is_file()]
            rows = [
                {"type": "file", "path": p.relative_to(root).as_posix(), "size": p.stat().st_size, "oid": "0" * 40}
                for p in files
            ]
            return self.answer(200, json.dumps(rows).encode(), Content_Type="application/json")
        for prefix in ("api/models/owner/name/revision/", "api/models/owner/name"):
            if path.startswith(prefix):
                return self.tell(path.removeprefix(prefix).split("/")[0] or "main")
        if not path.startswith("owner/name/resolve/"):
            return self.answer(404)
        revision, name = path.removeprefix("owner/name/resolve/").split("/", 1)
        commit = COMMITS.get(revision, revision)
        file = self.directories[commit] / name
        if not file.is_file():
            return self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        body = file.read_bytes()
        if self.command == "GET":
            self.sent.append(name)
        return self.answer(200, body, ETag=f'"{hashlib.sha256(body).hexdigest()}"', X_Repo_Commit=commit)

    do_HEAD = do_GET

    def tell(self, revision):
        commit = COMMITS.get(revision, revision)
        root = self.directories[commit]
        files = [{"rfilename": p.relative_to(root).as_posix()} for p in root.rglob("*") if p.is_file()]
        body = {"id": "owner/name", "sha": commit, "siblings": files, "private": False, "tags": [], "downloads": 0}
        return self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

    def log_message(self, *_):
        pass


@needs_transformers
class FromAHub(unittest.TestCase):
    def test_codec_and_refinements_come_along(self):
        directories = {COMMITS["main"]: progressive(), COMMITS["other"]: compressed()}
        sent = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directories, sent))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with tempfile.TemporaryDirectory() as home:
                names = os.path.join(home, "checkpoint")
                os.symlink(progressive(), names)
                os.symlink(compressed(), names + "-other")
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
