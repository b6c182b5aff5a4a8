#!/usr/bin/env bash
# Measures every shipped codec on the demo model, and on the models named besides, and compares with codecs/cards.csv
# to 1 %.
# usage: cards.sh NWCODEC [--write] [MODEL...]     --write: replaces the lines of these models instead
set -euo pipefail
nwcodec=$1
shift
write=0
if [ "${1:-}" = --write ]; then
  write=1
  shift
fi
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# line CODEC MODEL LEVEL: codec,model,level,payload bits,bits with side information,relative squared error
line() {
  "$nwcodec" compress "$2" -o "$work/c" --codec "codecs/$1.safetensors" --level "$3" --quiet >"$work/out"
  rm -rf "$work/c"
  awk -v OFS=, -v codec="$1" -v model="$(basename "$2")" -v level="$3" '
    /^payload/ { payload = $2 } /^with side/ { side = $4 } /^relative/ { error = $4 }
    END { print codec, model, level, payload, side, error }' "$work/out"
}

for model in models/demo "$@"; do
  for lambda in 30 50 100 300 1000 10000; do
    # All levels where that is cheap; the ends where it is not.
    fast_levels=(0) paper_levels=(0)
    if [ "$model" = models/demo ]; then fast_levels=(0 1 2 3) paper_levels=(0 3); fi
    for level in "${fast_levels[@]}"; do line "fast-$lambda" "$model" "$level"; done
    for level in "${paper_levels[@]}"; do line "paper-$lambda" "$model" "$level"; done
  done
done | tee "$work/measured.csv"

if [ "$write" = 1 ]; then
  {
    echo "codec,model,level,payload_bits,bits_with_side_information,relative_squared_error"
    sort -t, -k2,2 -k1,1 -k3,3n "$work/measured.csv"
  } >codecs/cards.csv
  exit 0
fi
awk -F, '
  NR == FNR { for (i = 4; i <= 6; ++i) card[$1, $2, $3, i] = $i; next }
  { for (i = 4; i <= 6; ++i) {
      wanted = card[$1, $2, $3, i]; difference = wanted == "" ? 1 : $i / wanted - 1
      if (difference > 0.01 || difference < -0.01) {
        printf "%s on %s, level %s: %s, the card says %s\n", $1, $2, $3, $i, wanted
        bad = 1
      }
    } ++n }
  END {
    printf "%d measurements, %s\n", n, bad ? "NOT all within 1 % of the cards" : "all within 1 % of the cards"
    exit bad
  }' codecs/cards.csv "$work/measured.csv"
