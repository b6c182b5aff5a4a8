#!/usr/bin/env bash
# `study reproduce` on the demo model, unattended, from an empty directory to the page: no experiment fails, and those
# that are not there are the ones that this command cannot have. A second run takes everything from the first.
# usage: reproduce_test.sh NWCODEC SOURCE_DIR
set -euo pipefail
nwcodec=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
demo=$source/models/demo
tasks=$source/tests/data/zeroshot
text=$source/models/demo-text.txt

run() {
  NWCODEC_CODECS=$source/codecs "$nwcodec" study reproduce "$demo" --profile quick --calibration "$text" \
    --wikitext "$text" --tasks "$tasks/harbour.jsonl" "$tasks/pronouns.jsonl" \
    -o "$work/out" --quiet
}
run >"$work/first"
cat "$work/first"
missing=$(awk '/not here:/ {print $1 "-" $2}' "$work/first" | tr '\n' ' ')
[ "$missing" = "Figure-4 Figure-10 Figure-11 Figure-12 Table-2 " ] || {
  echo "not here are: $missing" >&2
  exit 1
}
for file in index.html figure-3.csv figure-3.svg figure-6.svg figure-9c.csv figure-14.svg table-1.csv table-7.csv; do
  [ -s "$work/out/$file" ] || {
    echo "no $file" >&2
    exit 1
  }
done
cp "$work/out/index.html" "$work/index.html"
run >"$work/second"
[ "$(grep -c 'from an earlier run' "$work/second")" -eq 17 ]
cmp "$work/index.html" "$work/out/index.html"
echo "1 passed, 0 failed"
