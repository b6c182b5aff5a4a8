"""Names and values of checkpoints as they are in the wild: generates variants, runs nwcodec on each and compares.

usage: NW=path/to/nwcodec python names_values.py [WORD...]      only variants whose name has one of the words

Needs Python with torch, transformers 5 and safetensors; writes to a temporary directory. What is right:
  names   transformers' perplexity of the same weights under the names that it writes; "transformers: same" says that it
          loads the variant, too. A refusal must name a tensor.
  values  what goes through compress and decompress keeps the error of an ordinary column, or a line names the tensor.
One line per variant; the last one counts. Exit code 1 if any is wrong.
"""
import shutil
import sys

import name_variants
import value_variants
from names_values_common import *


def main():
    chosen = [v for v in VARIANTS if not sys.argv[1:] or any(word in v[0] for word in sys.argv[1:])]
    count = {RIGHT: 0, REFUSED: 0, WRONG: 0}
    for name, check in chosen:
        verdict, note = check()
        count[verdict] += 1
        print("%-48s %-8s %s" % (name, verdict, note.replace(ROOT + "/", "").replace("\n", " | ")), flush=True)
    shutil.rmtree(ROOT, ignore_errors=True)
    print("%d variants, right %d, refused with reason %d, wrong %d" % (len(chosen), count[RIGHT], count[REFUSED],
                                                                      count[WRONG]))
    return 1 if count[WRONG] else 0


if __name__ == "__main__":
    sys.exit(main())
