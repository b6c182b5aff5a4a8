# What --text measures is measured of every prefix, and a checkpoint shows the figures of the layers that it has.
for _ in 1 2 3 4; do cat "$DEMO_TEXT"; done >text.txt
nwcodec compress "$DEMO" --text text.txt --sequences 1 --length 64 --layers 3,5 -o out --json --quiet >json
check_json /layers/0/kl_divergence /layers/1/kl_divergence <json
measured() { nwcodec inspect "$@" --json | sed -n 's/^    "kl_divergence": \([0-9.e-]*\),*$/\1/p'; }
base=$(measured out --layers 1) whole=$(measured out)
awk -v base="$base" -v whole="$whole" 'BEGIN { exit !(whole > 0 && whole < base / 4) }' ||
  fail "inspect says $whole of both layers and $base of the base"
# The figures that compress printed are those of the files.
bytes=$(($(find out -name '*.safetensors' -printf '%s+')0))
check_json "/output_bytes=$bytes" "/layers/1/file_bytes=$bytes" <json
nwcodec inspect out --json | check_json "/file_bytes=$bytes"
quietly nwcodec trim out -o trimmed --layers 1
[ "$(measured trimmed)" = "$base" ] || fail "a trimmed checkpoint says $(measured trimmed) instead of $base"
rm -r out/refinement-1
[ "$(measured out)" = "$base" ] || fail "a base says $(measured out) instead of $base"
