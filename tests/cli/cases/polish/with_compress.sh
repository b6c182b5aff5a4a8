# One command calibrates, compresses and polishes; nothing is left beside the output, and the bytes are those of two.
cat "$DEMO_TEXT" "$DEMO_TEXT" "$DEMO_TEXT" "$DEMO_TEXT" >text.txt
sized=(--text "$PWD/text.txt" --sequences 2 --length 64 --bits 2.4 --keep-embeddings --threads 1 --quiet)
nwcodec compress "$DEMO" "${sized[@]}" --polish 12 -o out --json >out.json
check_json <out.json /held_out/kl_divergence /polish/before/kl_divergence /polish/after/kl_divergence
nwcodec inspect out | says "made by      nwcodec compress demo --bits 2.4.* --polish 12"
absent out.unpolished out.unpolished.calibration out.calibration
quietly nwcodec compress "$DEMO" "${sized[@]}" -o small
polish=(--steps 12 --length 64 --threads 1 --quiet)
quietly nwcodec polish small --reference "$DEMO" --text "$PWD/text.txt" "${polish[@]}" -o two
cmp out/model.safetensors two/model.safetensors
# From what is compressed already, towards the original where that is named, not towards what was decoded.
recorded=$(nwcodec inspect small --json | sed -n 's/^    "reference_perplexity": \([0-9.]*\),$/\1/p')
nwcodec recompress small "${sized[@]}" --polish 2 --reference "$DEMO" -o third --json >third.json
found=$(sed -n 's/^ *"reference_perplexity": \([0-9.]*\),*$/\1/p' third.json | sort -u)
awk -v a="$recorded" -v b="$found" 'BEGIN { exit !(a > 0 && b / a > 0.9999 && b / a < 1.0001) }' ||
  fail "the references have perplexities of $recorded and $found"
absent third.decoded third.unpolished third.unpolished.calibration
# What stands where it writes is told of before the work, and left alone.
mkdir -p other.unpolished && echo mine >other.unpolished/file
refused 1 nwcodec compress "$DEMO" "${sized[@]}" --polish 8 -o other
refused 1 nwcodec compress "$DEMO" "${sized[@]}" --polish 8 -o small
grep -q mine other.unpolished/file
refused 2 nwcodec compress "$DEMO" --text "$DEMO_TEXT" --layers 2.5,4 --polish 8 -o own --quiet
refused 1 nwcodec compress "$DEMO" --text self --sequences 4 --length 16 --bits 3 --polish 8 -o own --quiet
refused 2 nwcodec compress "$DEMO" --bits 3 --polish 8 -o own --quiet
refused 2 nwcodec compress "$DEMO" --text "$DEMO_TEXT" --divergence 0.1 --polish 8 -o own --quiet
absent own other
