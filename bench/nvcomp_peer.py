#!/usr/bin/env python3
"""nvCOMP's ANS on the symbols that cuda_bench decodes: the peer of "entropy decoding alone".

usage: nvcomp_peer.py SYMBOLS_FILE LIBNVCOMP [COPIES]

SYMBOLS_FILE: what `cuda_bench CODECS_DIR decoding SYMBOLS_FILE` wrote, one tensor's symbols as bytes, 16 channels of each chunk side by side.
LIBNVCOMP: libnvcomp.so.6 (package nvidia-libnvcomp-cu13), driven through its batched C interface. COPIES (32) tensors, each with memory of its
own, are compressed once and decompressed in one call, timed by device events: the median of 20. Every setting is checked against its input.
Needs PyTorch, for memory and events.
"""
import ctypes
import sys

import torch

UCHAR, DEFAULT_BACKEND = 1, 0


class CompressOptions(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("data_type", ctypes.c_int), ("max_sub_chunks", ctypes.c_uint8), ("states", ctypes.c_uint8),
                ("histogram_reduction", ctypes.c_uint8), ("reserved", ctypes.c_char * 53)]


class DecompressOptions(ctypes.Structure):
    _fields_ = [("backend", ctypes.c_int), ("data_type", ctypes.c_int), ("max_sub_chunks", ctypes.c_uint8), ("states", ctypes.c_uint8),
                ("skip_validate", ctypes.c_uint8), ("reserved", ctypes.c_char * 53)]


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


def need(status, what):
    if status != 0:
        raise RuntimeError(f"{what}: nvCOMP status {status}")


def measure(lib, data, chunk, sub_chunks, states, repeats=20):
    """Bits per symbol and seconds per decompression of `data` in chunks of `chunk` bytes."""
    size = ctypes.c_size_t
    count, total = data.numel() // chunk, data.numel()
    options = CompressOptions(0, UCHAR, sub_chunks, states, 0, b"")
    bound, temporary = size(), size()
    need(lib.nvcompBatchedANSCompressGetMaxOutputChunkSize(size(chunk), options, ctypes.byref(bound)), "bound")
    stride = (bound.value + 127) // 128 * 128
    need(lib.nvcompBatchedANSCompressGetTempSize(size(count), size(chunk), options, ctypes.byref(temporary), size(total), None), "room")
    index = torch.arange(count, dtype=torch.int64, device="cuda")
    packed = torch.empty(count * stride, dtype=torch.uint8, device="cuda")
    room = torch.empty(max(temporary.value, 1), dtype=torch.uint8, device="cuda")
    sources, targets = data.data_ptr() + index * chunk, packed.data_ptr() + index * stride
    sizes = torch.full((count,), chunk, dtype=torch.int64, device="cuda")
    packed_sizes = torch.zeros(count, dtype=torch.int64, device="cuda")
    statuses = torch.full((count,), -1, dtype=torch.int32, device="cuda")
    need(lib.nvcompBatchedANSCompressAsync(pointer(sources), pointer(sizes), size(chunk), size(count), pointer(room), size(temporary.value), pointer(targets),
                                           pointer(packed_sizes), options, pointer(statuses), None), "compressing")
    torch.cuda.synchronize()
    if int(statuses.abs().max()) != 0:
        raise RuntimeError("a chunk was not compressed")
    # Chunks one behind the other, as a file would hold them.
    aligned = (packed_sizes + 127) // 128 * 128
    starts = torch.cumsum(aligned, 0) - aligned
    dense = torch.empty(int(aligned.sum()), dtype=torch.uint8, device="cuda")
    for i, (at, n) in enumerate(zip(starts.tolist(), packed_sizes.tolist())):
        dense[at:at + n].copy_(packed[i * stride:i * stride + n])
    del packed
    targets = dense.data_ptr() + starts

    best = None
    out = torch.empty_like(data)
    outs, out_sizes = out.data_ptr() + index * chunk, torch.zeros_like(sizes)
    for declared, skip in ((UCHAR, 1), (UCHAR, 0)):
        options = DecompressOptions(DEFAULT_BACKEND, declared, sub_chunks, states, skip, b"")
        need(lib.nvcompBatchedANSDecompressGetTempSize(size(count), size(chunk), options, ctypes.byref(temporary), size(total), None), "room")
        room = torch.empty(max(temporary.value, 1), dtype=torch.uint8, device="cuda")

        def decompress():
            need(lib.nvcompBatchedANSDecompressAsync(pointer(targets), pointer(packed_sizes), pointer(sizes), pointer(out_sizes), size(count), pointer(room),
                                                     size(temporary.value), pointer(outs), options, pointer(statuses), None), "decompressing")

        out.zero_()
        statuses.fill_(-1)
        decompress()
        torch.cuda.synchronize()
        if int(statuses.abs().max()) != 0 or not torch.equal(out, data):
            raise RuntimeError("the symbols came back changed")
        times = []
        for _ in range(repeats):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            decompress()
            end.record()
            end.synchronize()
            times.append(begin.elapsed_time(end) * 1e-3)
        seconds = sorted(times)[repeats // 2]
        best = seconds if best is None else min(best, seconds)
    return 8 * float(packed_sizes.sum()) / total, best


def main():
    symbols, library = sys.argv[1:3]
    copies = int(sys.argv[3]) if len(sys.argv) > 3 else 32
    lib = ctypes.CDLL(library)
    torch.cuda.init()
    with open(symbols, "rb") as file:
        one = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    interleaved = one.cuda()
    planes = interleaved.view(-1, 16).t().contiguous().view(-1)
    best = None
    for name, tensor in (("chunk by chunk", interleaved), ("channel by channel", planes)):
        data = tensor.repeat(copies)
        for chunk in (1 << 16, 1 << 17, 1 << 18, 1 << 20):
            for sub_chunks, states in ((0, 0), (0, 1), (16, 0), (32, 0)):
                if name != "chunk by chunk" and (sub_chunks, states) != (0, 0):
                    continue
                try:
                    bits, seconds = measure(lib, data, chunk, sub_chunks, states)
                except RuntimeError as error:
                    print(f"{name}, chunks of {chunk >> 10} KiB, sub-chunks {sub_chunks}, states {states}: {error}", flush=True)
                    continue
                rate = data.numel() / seconds * 1e-9
                print(f"{name}, chunks of {chunk >> 10} KiB, sub-chunks {sub_chunks}, states {states}: {bits:.3f} bits per symbol, {rate:.0f} G symbols/s", flush=True)
                if best is None or rate > best[0]:
                    best = rate, bits
    print(f"nvCOMP ANS, best of all: {best[0]:.0f} G symbols/s at {best[1]:.3f} bits per symbol")


if __name__ == "__main__":
    main()
