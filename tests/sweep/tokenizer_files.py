#!/usr/bin/env python3
"""Variants of tokenizer.json, each with many texts: ids and decoded texts of nwcodec and of the `tokenizers` library.

Usage: tokenizer_files.py TOKENIZE TRAINING_TEXT [WORD]: TOKENIZE is bin/test_tools/tokenize of a build; with WORD only
variants whose name has it. Needs tokenizers 0.23 and sentencepiece. A line for each variant, and a last line with the
numbers; what the reference refuses too counts as right.
"""
import base64
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../data/tokenizer"))
from make_goldens import LLAMA3, QWEN, TEXTS  # noqa: E402

PATTERNS = {
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": LLAMA3,
    "qwen": QWEN,
    "deepseek": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
             r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
             r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
             r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
            r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "words": r"\w+|[^\w\s]+",
    "boundaries": r"\b\w",
    "alphabetic": r"\p{Alphabetic}+|\p{Nd}+|\P{Alphabetic}",
    "posix": r"[[:alpha:]]+|[[:digit:]]+|[[:punct:]]+|[[:^space:]]",
    "upper": r"\p{Lu}\p{Ll}*|\p{Uppercase}|\p{Lowercase}+|\p{Mn}+|\p{Sk}|\p{Sm}|\p{Sc}|\p{So}",
    "unassigned": r"\p{Cn}+|\p{Cf}+|\p{Co}|\p{C}",
    "scripts": r"\p{Hiragana}+|\p{Katakana}+|\p{Greek}+|\p{Cyrillic}+|\p{Arabic}+|\p{Latin}+|\p{Common}+|\p{Inherited}",
    "emoji": r"\p{Emoji}+|\p{Extended_Pictographic}|\p{Emoji_Presentation}",
    "empty": r"x*|\p{Han}?",
}


def every_character(step=1):
    """Every assigned character of this Python's and newer versions, an `a` behind each."""
    points = [c for c in range(1, 0x32000) if not 0xD800 <= c < 0xE000] + list(range(0xE0000, 0xE0200)) + [0x10FFFF]
    points = [c for c in points if unicodedata.category(chr(c)) != "Lo" or c % 7 == 0 or c < 0x3000]
    for i in range(0, len(points), 4096 * step):
        yield "".join(chr(c) + "a" for c in points[i:i + 4096])


def random_texts(seed, count=30):
    r = random.Random(seed)
    pool = list("aAbB zZ 09.,!?'\"-_<s>\n\t\u00e9e\u0301\u1e9b\u0323\u00bd\ufb01\u2167\u3042\u30ab\u6f22"
                "\uac00\u1100\u1161\u11a8"
                "\u0600\u0903\u0e33\u200d\u2028\u00a0\u3000\ufeff\ufffd\u0130\u1e9e") + [
        chr(c) for c in (0x1FA77, 0x1FAE9, 0x1FADF, 0x2EBF0, 0x10D50, 0x1C89, 0xA7CB, 0x11383, 0x16D68, 0x1E5D0, 0x897,
                         0x8CA, 0x32FF, 0xA7F2, 0x10780, 0x1DF25, 0x20C1, 0x0C5C, 0x1F8B2, 0x1CCD6, 0x105C9, 0x113C5, 0x16EA0)]
    return ["".join(r.choice(pool) for _ in range(r.randint(1, 40))) for _ in range(count)]


def byte_level(pattern=None, **model):
    """A BPE model over bytes whose merges see where words are cut: every byte with an `a`, a space and an `e`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {a: i for i, a in enumerate(alphabet)}
    merges = []
    for last in ("a", "\u0120", "e", "\u010a"):
        for first in alphabet:
            if first + last not in vocab:
                vocab[first + last] = len(vocab)
                merges.append([first, last])
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": pattern is None}
    steps = [level] if pattern is None else [split, level]
    return file(dict({"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges}, **model),
                pre_tokenizer={"type": "Sequence", "pretokenizers": steps},
                decoder={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})


def file(model, **parts):
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
             "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}
    whole.update(parts)
    return whole


def trained(model, trainer, lines, normalizer=None, pre_tokenizer=None, decoder=None):
    t = Tokenizer(model)
    if normalizer is not None:
        t.normalizer = normalizer
    if pre_tokenizer is not None:
        t.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        t.decoder = decoder
    t.train_from_iterator(lines, trainer)
    return json.loads(t.to_str())


def added(index, content, **options):
    return dict({"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                 "normalized": False, "special": True}, **options)


def charsmap(rule):
    """The table that SentencePiece stores for a rule, from a model of one line."""
    from sentencepiece import sentencepiece_model_pb2
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f g h"] * 20), model_writer=out,
                                             vocab_size=20, hard_vocab_limit=False, normalization_rule_name=rule,
                                             minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(out.getvalue())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def variants(lines):
    for name, pattern in PATTERNS.items():
        yield "bpe " + name, byte_level(pattern)
    yield "bpe byte_level", byte_level()
    yield "bpe ignore_merges", byte_level(LLAMA3, ignore_merges=True)
    for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        yield "normalizer " + form, dict(byte_level(), normalizer={"type": form})
    yield "normalizer ByteLevel", dict(file(byte_level()["model"]), normalizer={"type": "ByteLevel"})
    for name, parts in {
        "NFD+StripAccents+Lowercase": ["NFD", "StripAccents", "Lowercase"], "NFKC+Lowercase": ["NFKC", "Lowercase"],
    }.items():
        yield "normalizer " + name, dict(byte_level(), normalizer={
            "type": "Sequence", "normalizers": [{"type": p} for p in parts]})

    # Each pre-tokenizer with a model that has all characters of a word as one unknown token, or known words.
    words = sorted({w for t in TEXTS + lines[:50] for w in t.replace("\n", " ").split(" ") if w})
    level = {"type": "WordLevel", "unk_token": "?", "vocab": {w: i for i, w in enumerate(["?"] + words)}}
    for name, part in {
        "Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"},
        "BertPreTokenizer": {"type": "BertPreTokenizer"},
        "Punctuation": {"type": "Punctuation", "behavior": "Isolated"},
        "Digits": {"type": "Digits", "individual_digits": True},
        "Digits contiguous": {"type": "Digits", "individual_digits": False},
        "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": "e"},
        "FixedLength": {"type": "FixedLength", "length": 3},
        "Metaspace": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
        "Metaspace first": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True},
        "UnicodeScripts": {"type": "UnicodeScripts"},
    }.items():
        yield "words " + name, file(level, pre_tokenizer=part)

    bert = trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(
        vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False), lines,
        normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece())
    bert["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    for clean in (True, False):
        for strip in (True, False, None):
            for lower in (True, False):
                yield f"wordpiece clean={clean} strip={strip} lower={lower}", dict(bert, normalizer={
                    "type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": clean != lower,
                    "strip_accents": strip, "lowercase": lower})
    yield "wordpiece short words", dict(bert, model=dict(bert["model"], max_input_chars_per_word=5))
    yield "wordpiece no prefix", dict(bert, model=dict(bert["model"], continuing_subword_prefix=""))
    yield "wordpiece no cleanup", dict(bert, decoder={"type": "WordPiece", "prefix": "##", "cleanup": False})
    yield "wordpiece no unk_token", dict(bert, model=dict(bert["model"], unk_token="nowhere"))

    nfkc, nmt = charsmap("nfkc"), charsmap("nmt_nfkc_cf")
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    unigram = trained(models.Unigram(), trainers.UnigramTrainer(
        vocab_size=500, unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"], show_progress=False), lines,
        pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())
    bytes_too = dict(unigram["model"], byte_fallback=True, vocab=unigram["model"]["vocab"] + [
        ["<0x%02X>" % b, -20.0] for b in range(256)])
    fallback = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, space]}
    yield "unigram", unigram
    yield "unigram bytes", dict(unigram, model=bytes_too, decoder=fallback)
    for name, table in (("nfkc", nfkc), ("nmt_nfkc_cf", nmt)):
        precompiled = {"type": "Precompiled", "precompiled_charsmap": table}
        yield "unigram " + name, dict(unigram, normalizer=precompiled)
        yield "unigram bytes " + name, dict(unigram, normalizer=precompiled, model=bytes_too, decoder=fallback)
        spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
        yield "unigram strip " + name, dict(unigram, normalizer={"type": "Sequence", "normalizers": [
            precompiled, {"type": "Strip", "strip_left": False, "strip_right": True}, spaces]})
    yield "unigram whole text", dict(unigram, pre_tokenizer=dict(space, split=False))
    yield "unigram first", dict(unigram, pre_tokenizer=dict(space, prepend_scheme="first"),
                                normalizer={"type": "Precompiled", "precompiled_charsmap": nmt})
    yield "unigram no unk_id", dict(unigram, model=dict(unigram["model"], unk_id=None))
    yield "unigram equal pieces", dict(unigram, model=dict(unigram["model"], vocab=unigram["model"]["vocab"] + [
        ["e", -1.5], ["the", -2.0]]))
    yield "unigram T5", dict(unigram, post_processor={
        "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
                                                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}})
    yield "roberta", dict(byte_level(), post_processor={
        "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
        "add_prefix_space": True})
    suffix = file({"type": "BPE", "unk_token": "?", "end_of_word_suffix": "</w>", "merges": ["a b</w>"],
                   "vocab": {"?": 0, "a": 1, "b</w>": 2, "ab</w>": 3, "a</w>": 4}},
                  pre_tokenizer={"type": "Whitespace"}, decoder={"type": "BPEDecoder", "suffix": "</w>"})
    yield "bpe suffix", suffix

    plain = byte_level()
    n = len(plain["model"]["vocab"])
    for name, tokens in {
        "usual": [added(n, "<s>"), added(n + 1, "</s>")],
        "gap": [added(n + 5, "<s>"), added(n + 9, "x y", special=False, normalized=True)],
        "wrong order": [added(n + 1, "<s>"), added(n, "</s>")],
        "id of another": [added(5, "<s>")],
        "of the model": [added(9999, "a", special=False)],
        "twice": [added(n, "<s>"), added(n, "<s>")],
        "twice, other flags": [added(n, "<s>", lstrip=True), added(n, "<s>", rstrip=True, special=False)],
        "same id": [added(n, "<s>"), added(n, "</s>")],
        "empty": [added(n, ""), added(n + 1, "<s>")],
        "prefixes": [added(n, "<s"), added(n + 1, "<s>"), added(n + 2, "<s> a", special=False)],
        "words": [added(n, "word", single_word=True), added(n + 1, "a", single_word=True, lstrip=True, rstrip=True)],
        "strip": [added(n, "<s>", lstrip=True), added(n + 1, "</s>", rstrip=True),
                  added(n + 2, ".", lstrip=True, rstrip=True)],
    }.items():
        yield "added " + name, dict(plain, added_tokens=tokens)
        yield "added, lower case " + name, dict(plain, normalizer={"type": "Lowercase"}, added_tokens=tokens)
    yield "vocab equal ids", dict(plain, model=dict(plain["model"], vocab=dict(plain["model"]["vocab"], zzz=5)))
    yield "vocab with holes", dict(plain, added_tokens=[added(n, "<s>")], model=dict(plain["model"], vocab={
        t: i + (i > 20) for t, i in plain["model"]["vocab"].items()}))


def repeated_keys():
    """A file with equal keys, as text."""
    text = json.dumps(byte_level(), ensure_ascii=False)
    return text.replace('"vocab": {', '"vocab": {"!": 300, ', 1)


def reference(text, texts):
    t = Tokenizer.from_str(text)
    results = []
    for s in texts:
        try:
            ids, special = t.encode(s, add_special_tokens=False).ids, t.encode(s).ids
            results.append({"ids": ids, "special": special, "decoded": t.decode(special, skip_special_tokens=False),
                            "skipped": t.decode(special)})
        except Exception as e:
            results.append({"error": str(e)})
    return results


def difference(ours, theirs, texts):
    for s, a, b in zip(texts, ours, theirs):
        if "error" in b and "error" in a:
            continue
        for key in ("ids", "special", "decoded", "skipped", "error"):
            if a.get(key) == b.get(key):
                continue
            if isinstance(a.get(key), list) and isinstance(b.get(key), list):
                at = next((i for i, (x, y) in enumerate(zip(a[key], b[key])) if x != y), min(len(a[key]), len(b[key])))
                return f"{key}[{at}] of {s[:40]!a}: {a[key][at:at + 5]} for {b[key][at:at + 5]}"
            return f"{key} of {s[:40]!a}: {str(a.get(key))[:80]!a} for {str(b.get(key))[:80]!a}"
    return None


def main():
    tokenize, training = sys.argv[1:3]
    wanted = sys.argv[3] if len(sys.argv) > 3 else ""
    lines = open(training, encoding="utf-8").read(100_000).splitlines() + TEXTS
    texts = TEXTS + random_texts(1) + list(every_character())
    all_variants = [(name, json.dumps(v, ensure_ascii=False)) for name, v in variants(lines)]
    all_variants.append(("repeated keys", repeated_keys()))
    right = refused = wrong = 0
    for name, text in all_variants:
        if wanted not in name:
            continue
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            run = subprocess.run([tokenize, f.name], input=json.dumps(texts).encode(), capture_output=True)
        crash = f"exit {run.returncode}: {run.stderr.decode()[-200:]}"
        ours = json.loads(run.stdout) if run.stdout else {"error": crash}
        try:
            theirs = reference(text, texts)
        except BaseException as e:  # the library panics too
            theirs = str(e)[:100]
        if isinstance(theirs, str):
            verdict = "right: refused by both" if "error" in ours else "wrong: the reference refuses: " + theirs
        elif "error" in ours:
            verdict = "refused: " + ours["error"]
        else:
            found = difference(ours["results"], theirs, texts)
            verdict = "right" if found is None else "wrong: " + found
            verdict += "".join("; warned: " + w.split(": ", 1)[1] for w in ours["warnings"])
        right += verdict.startswith("right")
        refused += verdict.startswith("refused")
        wrong += verdict.startswith("wrong")
        print(f"{name}: {verdict}", flush=True)
    print(f"{right + refused + wrong} variants, right {right}, refused with reason {refused}, wrong {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
