#!/usr/bin/env python3
"""Makes the golden files of this folder with the `tokenizers` library (0.23.3 made the present ones).

Usage: make_goldens.py TRAINING_TEXT MODEL_TOKENIZER [LONG_TEXT]

Trains small tokenizers of several families on the first 300 kB of TRAINING_TEXT and writes NAME.tokenizer.json and
NAME.expected.json for each; for MODEL_TOKENIZER (models/demo/tokenizer.json) it writes demo.expected.json. With
LONG_TEXT it prints the count and the FNV-1a hash of that text's ids, which tokenizer_golden_test.cc states.
"""
import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex

HERE = pathlib.Path(__file__).parent

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = [
    "", " ", "  ", "\n", "\n\n\n", "\t", "\r\n", " \n \n", "a", " a", "a ", "  a  b   c    ",
    "The quick brown fox jumps over the lazy dog.",
    "It's we'll I'M YOU'RE they've 'tis don'T; HelloWorld camelCase SCREAMING_SNAKE x's",
    "Numbers: 0 12 345 6789 1234567890 3.14159 1,000,000 0x1F 1e-9 \u0661\u0662\u0663 \u00b2\u00b3 \u2167",
    "def f(x):\n\treturn {'a': [x ** 2 for _ in range(10)]}  # comment\n\n\n    if x != 0x1F && y->z::w:\r\n        pass\n",
    "<html><body class=\"x\">a &amp; b</body></html>", "https://example.org/a/b?c=d&e=f#g", "user@example.com \\n \\\\ `~!@#$%^&*()_+-=[]{}|;':\",./<>?",
    "white\u00a0space\u2003of\u3000many\u2028kinds\u2029here\u0085and\u200bthere\ufeff\x0b\x0c\x1c.", "a\t\tb \t c\n\td\n \n\n  e\r\n\r\nf \n",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f\U0001f44d\U0001f3fd",
    "\u6f22\u5b57\u304b\u306a\u30ab\u30ca\u4ea4\u3058\u308a\u6587\u3002\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "caf\u00e9 cafe\u0301 \u00c5ngstr\u00f6m A\u030a \u1e9b\u0323 \ufb01 \ufb03 \u00bd \u2460 \u212b \u0130stanbul \u1e9e \u01c5", "e\u0301\u0327\u0323 a\u0308\u0308 \u0301",
    "\u0000\u0001\u007f\u0080\u009f control", "\U00010330\U00010331 \U0001d54f \U000e0041 \ue000 \uffff \U0010ffff",
    "supercalifragilisticexpialidocious" * 8, "a" * 300, "ab" * 100 + " " + "=" * 80 + "\n" + "-" * 33, " " * 70 + "x" + "\n" * 40, "0" * 50,
    "<s>hello</s> <unk> <s> <s>x", "hello <s> world</s>\n</s>", " <s> a", "<|begin_of_text|>user<|end_of_text|>\n\n<|reserved_1|><|reserved_12|>", "<|begin_of_text|", "<bos>a <eos>b<pad>", "<0x41> <0xE2><0x96> \u2581 \u2581\u2581a",
    "[MASK] x[MASK]y  [MASK]  z", "say WORD wordy aWORD WORD. (WORD) W\u00d6RD", "\uff21\uff22\uff23 abc ABC Abc", "\u0120the \u010a \u00c3\u00a9",
    "In 1887 , the first \" Wiki \" @-@ style encyclopedia = = was published ; it had 3 @,@ 500 entries .",
]


def added(index, content, special=True, **options):
    token = {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": not special, "special": special}
    token.update(options)
    return token


def byte_tokens():
    return ["<0x%02X>" % byte for byte in range(256)]


def trained(lines, vocab_size, normalizer=None, pre_tokenizer=None, first=(), alphabet=(), **options):
    tokenizer = Tokenizer(models.BPE(unk_token=options.pop("unk_token", None)))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(first), initial_alphabet=list(alphabet), show_progress=False,
        limit_alphabet=options.pop("limit_alphabet", 90), **options))
    return json.loads(tokenizer.to_str())["model"]


def template(*before, after=()):
    special = {content: {"id": content, "ids": [index], "tokens": [content]} for content, index in (*before, *after)}
    piece = lambda content: {"SpecialToken": {"id": content, "type_id": 0}}
    single = [piece(c) for c, _ in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [piece(c) for c, _ in after]
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def tokenizer(model, **parts):
    base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None}
    base.update(parts)
    base["model"] = model
    return base


def string_merges(model):
    model["merges"] = [" ".join(merge) for merge in model["merges"]]
    return model


def byte_level(**options):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True, **options}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def sequence(kind, *parts, member):
    return {"type": "Sequence", member: list(parts)}


def families(lines):
    space = "\u2581"
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    no_regex = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    sp_tokens = ["<unk>", "<s>", "</s>"]
    sp_added = [added(i, token) for i, token in enumerate(sp_tokens)]
    sp_decoder = {"type": "Sequence", "decoders": [
        replace(space, " "), {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    to_space = normalizers.Replace(" ", space)

    # Llama 2: the text as a whole is one word. Merges in the old form.
    model = trained([space + line for line in lines], 600, to_space, None, sp_tokens + byte_tokens())
    model.update(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    yield "llama2_normalizer", tokenizer(
        string_merges(dict(model)), added_tokens=sp_added, decoder=sp_decoder, post_processor=template(("<s>", 1)),
        normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": space}, replace(" ", space)]})

    # Llama 2 without "legacy": Metaspace, new form.
    yield "llama2_metaspace", tokenizer(
        trained(lines, 560, None, pre_tokenizers.Metaspace(), sp_tokens + byte_tokens()) | dict(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
        added_tokens=sp_added, decoder=sp_decoder, post_processor=template(("<s>", 1), after=(("</s>", 2),)),
        pre_tokenizer={"type": "Metaspace", "replacement": space, "prepend_scheme": "first", "split": False})

    # Metaspace in its old form, which splits into words; no byte tokens, so that there are unknown characters.
    yield "metaspace_old", tokenizer(
        string_merges(trained(lines, 400, None, pre_tokenizers.Metaspace(), sp_tokens)) | dict(unk_token="<unk>", fuse_unk=False),
        added_tokens=sp_added, post_processor=template(("<s>", 1)),
        pre_tokenizer={"type": "Metaspace", "replacement": space, "add_prefix_space": True},
        decoder={"type": "Metaspace", "replacement": space, "add_prefix_space": True})

    # Llama 3.
    split = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    specials = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_1|>", "<|reserved_12|>"]
    model = trained(lines, 590, None, pre_tokenizers.Sequence([split, no_regex]), (), alphabet, limit_alphabet=256)
    # A token that no merge makes: ignore_merges finds it.
    model["vocab"]["jumps"] = 590
    model["ignore_merges"] = True
    yield "llama3", tokenizer(
        model, added_tokens=[added(591 + i, token) for i, token in enumerate(specials)],
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False},
            byte_level(add_prefix_space=False, use_regex=False)]},
        post_processor={"type": "Sequence", "processors": [byte_level(add_prefix_space=True, trim_offsets=False), template(("<|begin_of_text|>", 591))]},
        decoder=byte_level(add_prefix_space=True))

    # Qwen.
    split = pre_tokenizers.Split(Regex(QWEN), "isolated")
    model = trained(lines, 500, normalizers.NFC(), pre_tokenizers.Sequence([split, no_regex]), (), alphabet, limit_alphabet=256)
    model.update(continuing_subword_prefix="", end_of_word_suffix="")
    yield "qwen", tokenizer(
        string_merges(model), added_tokens=[added(500, "<|begin_of_text|>"), added(501, "[MASK]", special=False, normalized=False)],
        normalizer={"type": "NFC"},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False},
            byte_level(use_regex=False, trim_offsets=False)]},
        post_processor=byte_level(trim_offsets=False), decoder=byte_level())

    # Gemma.
    gemma_tokens = ["<pad>", "<eos>", "<bos>", "<unk>"]
    runs = ["\n" * n for n in (2, 3, 4, 8)] + [space * n for n in (2, 3, 4, 8)]
    model = trained(lines, 580, to_space, pre_tokenizers.Split(space, "merged_with_next"), gemma_tokens + byte_tokens() + runs)
    model.update(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    yield "gemma", tokenizer(
        model, added_tokens=[added(i, token) for i, token in enumerate(gemma_tokens)]
        + [added(model["vocab"][run], run, special=False, normalized=False) for run in runs],
        normalizer=replace(" ", space),
        pre_tokenizer={"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        post_processor=template(("<bos>", 2)),
        decoder={"type": "Sequence", "decoders": [replace(space, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]})

    # CLIP: suffix at the end of a word, lower case, a regular expression in the normalizer.
    clip = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(clip), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    model = trained(lines, 600, normalizer, pre, ("<s>", "</s>"), alphabet, limit_alphabet=256, end_of_word_suffix="</w>")
    model["unk_token"] = "</s>"
    yield "clip", tokenizer(
        model, added_tokens=[added(0, "<s>"), added(1, "</s>"), added(600, "WORD", special=False, single_word=True, normalized=True)],
        normalizer=json.loads(normalizer.__getstate__()),
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": clip}, "behavior": "Removed", "invert": True}, byte_level()]},
        post_processor=template(("<s>", 0), after=(("</s>", 1),)), decoder=byte_level())

    # The remaining components, and added tokens with every option.
    model = trained(lines, 300, normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
                    pre_tokenizers.Whitespace(), ["<unk>"])
    model.update(unk_token="<unk>", fuse_unk=True)
    yield "others", tokenizer(
        model, added_tokens=[added(0, "<unk>"), added(300, "[MASK]", lstrip=True, rstrip=True), added(301, "<s>", lstrip=True),
                             added(302, "</s>", rstrip=True), added(303, "WORD", special=False, single_word=True, normalized=False),
                             added(304, "\uff21\uff22\uff23", special=False)],
        normalizer={"type": "Sequence", "normalizers": [{"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "NFKC"}, {"type": "Lowercase"}]},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Whitespace"}, {"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Contiguous"}]})


def expected(tokenizer, texts):
    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text).ids
        case = {"text": text, "ids": ids, "decoded": tokenizer.decode(special, skip_special_tokens=False),
                "skipped": tokenizer.decode(special, skip_special_tokens=True)}
        if special != ids:
            case["special"] = special
        # Left out where it is the text itself, to keep the files small.
        cases.append({key: value for key, value in case.items() if key not in ("decoded", "skipped") or value != text})
    return cases


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def write_cases(name, cases):
    lines = ",\n".join(json.dumps(case, ensure_ascii=True, separators=(",", ":")) for case in cases)
    (HERE / name).write_text("[\n" + lines + "\n]\n", encoding="ascii")


def main():
    text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")[:300_000]
    lines = [line for line in text.split("\n") if line]
    for name, parts in families(lines):
        write(name + ".tokenizer.json", parts)
        write_cases(name + ".expected.json", expected(Tokenizer.from_str(json.dumps(parts)), TEXTS))
    demo = Tokenizer.from_file(sys.argv[2])
    write_cases("demo.expected.json", expected(demo, TEXTS))
    if len(sys.argv) > 3:
        ids = demo.encode(pathlib.Path(sys.argv[3]).read_bytes().decode("utf-8"), add_special_tokens=False).ids
        value = 0xCBF29CE484222325
        for token in ids:
            for byte in token.to_bytes(4, "little"):
                value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        print(len(ids), hex(value))


if __name__ == "__main__":
    main()
