#!/usr/bin/env python3
"""Quantises a Llama-like model's linear weights with llama.cpp, and writes them back as a plain checkpoint.

usage: peer_llama_cpp.py MODEL OUTPUT --type Q3_K_M --bits 3 [--hessians H] [--no-padding] [--library DIR]

What runs is llama_model_quantize() of libllama, with its mixtures of types, and gguf.quants.dequantize() on its file.
Needs numpy, safetensors, torch, gguf 0.19 and a libllama of the time of llama.cpp 0.5 (llama-cpp-python 0.3.36 builds
one: pip install llama-cpp-python==0.3.36; --library names the folder of libllama.so otherwise). On the CPU.

--hessians: E[x^2] of `nwcodec calibrate` is the importance matrix, which is what llama-imatrix sums up.
Types with blocks of 256 weights need rows of a multiple of 256. By default rows are filled up with zeros, and bits
count them; with --no-padding llama.cpp falls back on types with blocks of 32, as it does for such models by itself.
Rows of q and k are not permuted for GGUF's rotary embedding: every row is quantised on its own.
"""

import argparse
import ctypes
import json
import os
import pathlib
import tempfile

import gguf
import numpy as np
import plain_checkpoint
import torch

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


class ImatrixData(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.POINTER(ctypes.c_float)), ("size", ctypes.c_size_t)]


class QuantizeParams(ctypes.Structure):
    """llama_model_quantize_params of llama.h."""

    _fields_ = [
        ("nthread", ctypes.c_int32),
        ("ftype", ctypes.c_int),
        ("output_tensor_type", ctypes.c_int),
        ("token_embedding_type", ctypes.c_int),
        ("allow_requantize", ctypes.c_bool),
        ("quantize_output_tensor", ctypes.c_bool),
        ("only_copy", ctypes.c_bool),
        ("pure", ctypes.c_bool),
        ("keep_split", ctypes.c_bool),
        ("dry_run", ctypes.c_bool),
        ("imatrix", ctypes.POINTER(ImatrixData)),
        ("kv_overrides", ctypes.c_void_p),
        ("tt_overrides", ctypes.c_void_p),
        ("prune_layers", ctypes.c_void_p),
        ("max_buf_size", ctypes.c_size_t),
    ]


def open_library(folder):
    if folder is None:
        import llama_cpp

        folder = pathlib.Path(llama_cpp.__file__).parent / "lib"
    library = None
    for name in ("libggml-base.so", "libggml-cpu.so", "libggml.so", "libllama.so"):
        library = ctypes.CDLL(str(pathlib.Path(folder) / name), mode=ctypes.RTLD_GLOBAL)
    library.llama_model_quantize_default_params.restype = QuantizeParams
    library.llama_model_quantize.restype = ctypes.c_uint32
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(QuantizeParams)]
    library.llama_backend_init()
    return library


def gguf_name(name):
    match = plain_checkpoint.LINEAR.search(name)
    layer = name[match.start() :].split(".")
    kind = ".".join(layer[-3:-1])
    return f"blk.{match.group(2)}.{NAMES[kind]}.weight"


def write_gguf(path, model, config, padding):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(0)
    for name, weight in plain_checkpoint.linear_weights(model):
        columns = weight.shape[1]
        if padding:
            weight = torch.nn.functional.pad(weight, (0, -columns % 256))
        writer.add_tensor(gguf_name(name), weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--type", required=True, help="a llama_ftype without LLAMA_FTYPE_MOSTLY_: Q4_K_M, IQ2_XXS, ...")
    parser.add_argument("--bits", type=float, required=True, help="nominal rate, for tables")
    parser.add_argument("--hessians", type=pathlib.Path)
    parser.add_argument("--no-padding", action="store_true")
    parser.add_argument("--library", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    a = parser.parse_args()
    library = open_library(a.library)
    config = json.loads((a.model / "config.json").read_text())
    parameters = library.llama_model_quantize_default_params()
    parameters.nthread = a.threads
    parameters.ftype = getattr(gguf.LlamaFileType, f"MOSTLY_{a.type}").value
    parameters.quantize_output_tensor = False
    kept = []  # what the C structures point to
    if a.hessians:
        squares = plain_checkpoint.mean_squares(a.hessians)
        entries = (ImatrixData * (len(squares) + 1))()
        for entry, (name, values) in zip(entries, squares.items()):
            values = torch.nn.functional.pad(values, (0, 0 if a.no_padding else -values.numel() % 256)).contiguous()
            text = gguf_name(name).encode()
            kept += [values, text]
            entry.name = text
            entry.data = ctypes.cast(values.data_ptr(), ctypes.POINTER(ctypes.c_float))
            entry.size = values.numel()
        parameters.imatrix = ctypes.cast(entries, ctypes.POINTER(ImatrixData))
        kept.append(entries)
    with tempfile.TemporaryDirectory() as work:
        plain, small = f"{work}/plain.gguf", f"{work}/small.gguf"
        write_gguf(plain, a.model, config, not a.no_padding)
        if library.llama_model_quantize(plain.encode(), small.encode(), ctypes.byref(parameters)) != 0:
            raise SystemExit("llama_model_quantize failed; what it printed says why")
        blocks = {t.name: t for t in gguf.GGUFReader(small).tensors}
        decoded, bits, types = {}, 0, {}
        for name, original in plain_checkpoint.linear_weights(a.model):
            tensor = blocks[gguf_name(name)]
            rows, columns = original.shape
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(rows, -1)[:, :columns]
            decoded[name] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
            bits += 8 * int(tensor.n_bytes)
            kind = tensor.tensor_type.name
            types[kind] = types.get(kind, 0) + original.numel()
        total = sum(types.values())
        shares = ", ".join(f"{kind} {100 * count / total:.0f} %" for kind, count in sorted(types.items()))
        notes = [f"llama.cpp {a.type} ({shares} of the weights)" + (", importance matrix" if a.hessians else "")]
        if not a.no_padding:
            notes.append("rows filled up to multiples of 256, zeros counted")
        plain_checkpoint.replace(a.model, a.output, decoded, a.bits, bits, notes)


if __name__ == "__main__":
    main()
