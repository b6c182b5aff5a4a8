"""Writes the tables beside this file: asks the `tokenizers` library (0.23.3) about every code point, so that what it
cuts and what we cut is the same by construction. `pip install tokenizers==0.23.3 unicodedata2==16.0.0 regex`, then
`python generate.py`; it takes some minutes. Its general categories are compared with unicodedata2's, which gives the
version of Unicode."""
import os
import textwrap

import regex
import unicodedata2
from tokenizers import Regex
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
# Planes 4 to 13 and most of 15 and 16 are asked about by a few of their code points.
BLANK = [c for c in ALL if 0x40000 <= c < 0xE0000 or 0xE1000 <= c < 0xF0000 or 0xF0010 <= c < 0xFFF00
         or 0x100010 <= c < 0x10FF00]
ASKED = sorted(set(ALL) - set(BLANK)) + [0x40000, 0xDFFFF, 0xE1000, 0xEFFFF]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cs Cn".split()
PROPERTIES = """Alphabetic Lowercase Uppercase White_Space Cased Dash Diacritic Emoji Emoji_Component Emoji_Modifier
    Emoji_Modifier_Base Emoji_Presentation Extended_Pictographic Extender Hex_Digit ASCII_Hex_Digit Ideographic
    Join_Control Math Quotation_Mark Radical Regional_Indicator Unified_Ideograph Variation_Selector""".split()


def asked(removed_by):
    """The code points for which a pre-tokenizer that removes what it finds removes the character."""
    found = set()
    for i in range(0, len(ASKED), 20000):
        chunk = ASKED[i:i + 20000]
        kept = set()
        for _, (begin, end) in removed_by.pre_tokenize_str("".join(map(chr, chunk))):
            kept.update(range(begin, end))
        found.update(c for j, c in enumerate(chunk) if j not in kept)
    return fill(found)


def fill(found):
    """The blank stretches as their samples are."""
    for sample, first, last in ((0x40000, 0x40000, 0xDFFFF), (0xE1000, 0xE1000, 0xEFFFF), (0xF0001, 0xF0010, 0xFFEFF),
                                (0x100001, 0x100010, 0x10FEFF)):
        if sample in found:
            found.update(range(first, last + 1))
    return found


def matched_by(pattern):
    return asked(P.Split(Regex(pattern), "removed"))


def where(holds):
    return fill({c for c in ASKED if holds(chr(c))})


def ranges(members):
    out = []
    for c in sorted(members):
        if out and out[-1][1] == c:
            out[-1][1] = c + 1
        else:
            out.append([c, c + 1])
    return out


def base36(n):
    digits = ""
    while True:
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[n % 36] + digits
        n //= 36
        if n == 0:
            return digits


def literal(members):
    """How far it is to the next range, how long that is, and so on, to the base 36."""
    words, at = [], 0
    for begin, end in ranges(members):
        words += [base36(begin - at), base36(end - begin)]
        at = end
    lines = textwrap.wrap(" ".join(words), 108) or [""]
    return "\n".join(f'     "{line} "' if i + 1 < len(lines) else f'     "{line}"' for i, line in enumerate(lines))


def write(name, comment, array, function, rows):
    body = "\n".join(f'    {{"{names}", "{unions}",\n{literal(members)}}},' for names, unions, members in rows)
    with open(os.path.join(HERE, name), "w") as f:
        f.write(f"""// {comment}
// Written by generate.py; clang-format would break the strings elsewhere.
#include "characters/tables.h"

namespace nwc::characters {{

// clang-format off
constexpr NamedTable k{array}[] = {{
{body}
}};
// clang-format on

std::span<const NamedTable> {function}() {{ return k{array}; }}

}}  // namespace nwc::characters
""")


def write_categories():
    category = {g: matched_by(r"\p{%s}" % g) for g in CATEGORIES if g not in ("Cs", "Cn")}
    category["Cs"] = set(range(0xD800, 0xE000))
    category["Cn"] = set(range(0x110000)) - set().union(*category.values())
    differ = [c for g in CATEGORIES for c in category[g] if unicodedata2.category(chr(c)) != g]
    print("Unicode", unicodedata2.unidata_version, "general categories that differ:", [hex(c) for c in differ[:20]])
    write("general_categories.cc", "General categories of Unicode 16.", "GeneralCategories", "general_categories",
          [(g, "", category[g]) for g in CATEGORIES])
    return category


def write_properties(category):
    rows = []
    for name in PROPERTIES:
        members = matched_by(r"\p{%s}" % name)
        parts = [g for g in CATEGORIES if category[g] and category[g] <= members and len(ranges(category[g])) > 8]
        rows.append((name, " ".join(parts), members.difference(*[category[g] for g in parts])))
    write("properties.cc", "Binary properties of Unicode 16: unions of general categories, and what else there is.",
          "BinaryProperties", "binary_properties", rows)


def write_scripts():
    aliases = {}
    for name, value in regex._regex_core.PROPERTIES["SCRIPT"][1].items():
        aliases.setdefault(value, []).append(name)
    rows = []
    for names in sorted(sorted(n, key=len, reverse=True) for n in aliases.values()):
        known = []
        for name in names:
            try:
                Regex(r"\p{%s}" % name)
                known.append(name.lower().replace("_", ""))
            except Exception:
                pass
        if known and known[0] not in ("unknown", "zzzz"):
            rows.append((" ".join(known), "", matched_by(r"\p{%s}" % known[0])))
    half = len(rows) // 2
    write("scripts.cc", "Scripts of Unicode 16, the first half by name, each with its short name.",
          "Scripts", "scripts",
          rows[:half])
    write("more_scripts.cc", "Scripts of Unicode 16, the second half by name, each with its short name.",
          "MoreScripts", "more_scripts", rows[half:])


def write_reference_sets(category):
    """What normalizers and pre-tokenizers go by, which other parts of the library answer, with other versions."""
    bert = N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    clean = N.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    spaces = N.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    word, digits, strip = P.Whitespace(), P.Digits(individual_digits=True), N.StripAccents()

    def grapheme(kind):
        member = regex.compile(r"\p{GCB=%s}" % kind)
        return {c for c in ASKED if member.fullmatch(chr(c)) and c not in category["Cn"]}

    def is_word(c):
        pieces = word.pre_tokenize_str("a" + c)
        return len(pieces) == 1 and pieces[0][0] == "a" + c

    sets = [
        ("word", where(is_word)),
        ("numeric", where(lambda c: len(digits.pre_tokenize_str("a" + c + "a")) == 3)),
        ("punctuation", asked(P.Punctuation("removed"))),
        ("white_space", asked(P.WhitespaceSplit())),
        ("mark", where(lambda c: strip.normalize_str("a" + c) == "a")),
        ("nonspacing_mark", where(lambda c: bert.normalize_str("a" + c) == "a")),
        ("bert_removed", where(lambda c: clean.normalize_str("a" + c) == "a")),
        ("bert_space", where(lambda c: clean.normalize_str("a" + c) == "a ")),
        ("bert_ideograph", where(lambda c: spaces.normalize_str(c) == " " + c + " ")),
        ("grapheme_extend", grapheme("Extend") | grapheme("ZWJ") | grapheme("SpacingMark")),
        ("grapheme_prepend", grapheme("Prepend")),
        ("grapheme_control", grapheme("Control") | {10, 13}),
    ]
    known = {"numeric": ["Nd", "Nl", "No"], "word": ["Lu", "Ll", "Lm", "Lo", "Mn", "Mc", "Nd"]}
    rows = []
    for name, members in sets:
        parts = [g for g in known.get(name, []) if category[g] <= members]
        rows.append((name, " ".join(parts), members.difference(*[category[g] for g in parts])))
    write("reference_sets.cc", "Sets of the normalizers and pre-tokenizers of `tokenizers`, as it answers.",
          "ReferenceSets", "reference_sets", rows)


def write_lower_case():
    lower = N.Lowercase()
    changes = [(c, lower.normalize_str(chr(c))) for c in ASKED]
    changes = [(c, ord(s) - c) for c, s in changes if s != chr(c) and c != 0x130]
    runs = []  # first, last, stride, distance
    for c, distance in changes:
        if runs and runs[-1][3] == distance and c - runs[-1][1] in (1, 2):
            first, last, stride, _ = runs[-1]
            if first == last or stride == c - last:
                runs[-1] = (first, c, c - last, distance)
                continue
        runs.append((c, c, 1, distance))
    entries = " ".join(f"{{{a:#x}, {b:#x}, {s}, {d}}}," for a, b, s, d in runs)
    body = "\n".join(textwrap.wrap(entries, 110, initial_indent="    ", subsequent_indent="    ",
                                   break_long_words=False))
    with open(os.path.join(HERE, "lower_case.cc"), "w") as f:
        f.write(f"""// Lower case of single characters, as the normalizer Lowercase of `tokenizers` has it. By generate.py.
#include "characters/tables.h"

namespace nwc::characters {{

// clang-format off
constexpr CaseRun kLowerCase[] = {{
{body}
}};
// clang-format on

std::span<const CaseRun> lower_case_runs() {{ return kLowerCase; }}

}}  // namespace nwc::characters
""")


if __name__ == "__main__":
    categories = write_categories()
    write_reference_sets(categories)
    write_lower_case()
    write_properties(categories)
    write_scripts()
