# Polish: a lower divergence in as many bytes, the same bytes again; what was measured stands in the output.
cat "$DEMO_TEXT" "$DEMO_TEXT" "$DEMO_TEXT" "$DEMO_TEXT" >text.txt
arguments=(--reference "$DEMO" --text "$PWD/text.txt" --steps 12 --batch 2 --length 64 --rate 0.01 --threads 1)
quietly nwcodec compress "$DEMO" -o small --bits 2.4 --quiet
nwcodec polish small -o polished "${arguments[@]}" --json --quiet >polished.json
check_json <polished.json /changed /factors /steps /correction_bits /before/kl_divergence /after/kl_divergence
size() { cat "$1"/*.safetensors | wc -c; }
awk -v before="$(size small)" -v after="$(size polished)" 'BEGIN { exit !(after <= 1.001 * before) }' ||
  fail "$(size polished) bytes instead of $(size small)"
divergence() {
  nwcodec eval "$1" --text "$DEMO_TEXT" --reference "$DEMO" --context 64 --windows 40 --json --quiet |
    sed -n 's/.*"kl_divergence": \([0-9.e-]*\),*/\1/p'
}
awk -v small="$(divergence small)" -v polished="$(divergence polished)" 'BEGIN {
  if (polished > 0 && polished < 0.97 * small) exit 0
  print "divergence " polished " instead of less than " small
  exit 1
}'
nwcodec inspect polished | says "made by      nwcodec polish small --reference demo --text text.txt --steps 12"
quietly nwcodec decompress polished -o back --quiet
# A checkpoint behind its texts is the one to polish. The same command, the same bytes.
quietly nwcodec polish --reference "$DEMO" --steps 12 --batch 2 --length 64 --rate 0.01 --threads 1 -o again --quiet \
  --text "$PWD/text.txt" small
cmp polished/model.safetensors again/model.safetensors
# Nothing is better than the model itself: nothing changes, and it says so.
nwcodec polish small --reference small --text text.txt --steps 2 --batch 1 --length 16 -o kept --quiet |
  says "nothing changed: no state was better on the text held out"
cmp small/model.safetensors kept/model.safetensors
cmp small/codec.safetensors kept/codec.safetensors
