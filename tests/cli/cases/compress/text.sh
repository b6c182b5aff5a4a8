# One command from a model and texts to a small one: calibration beside the output, removed afterwards or kept; sizes.
for _ in 1 2 3 4; do cat "$DEMO_TEXT"; done >text.txt
mkdir small.calibration
echo mine >small.calibration/notes.txt
nwcodec compress "$DEMO" --text text.txt -o small --bits 3 --sequences 4 --length 64 --quiet --json >small.json
check_json <small.json /held_out/windows=6 /held_out/kl_divergence /held_out/perplexity /held_out/reference_perplexity
if [ "$(ls -A small.calibration)" != notes.txt ]; then fail "a stranger's file is gone, or the calibration is not"; fi
quietly nwcodec compress "$DEMO" --text text.txt -o again --bits 3 --sequences 4 --length 64 --hessians kept --quiet
same small again
nwcodec compress "$DEMO" --text text.txt -o fourth --bits 3 --sequences 1 --length 64 --quiet >/dev/null
if [ -e fourth.calibration ]; then fail "the calibration is left over"; fi
nwcodec compress "$DEMO" -o third --bits 3 --hessians kept --quiet >/dev/null
nwcodec inspect small --json >inspected.json
check_json <inspected.json /measured/kl_divergence /measured/windows=6 /measured/texts/0/hash \
  '/measured/texts/0/name="text.txt"' \
  '/measured/command="compress demo --bits 3 --text text.txt --sequences 4 --length 64"'
nwcodec inspect small | says 'made by      nwcodec compress demo --bits 3' || fail "inspect does not say how"
nwcodec decompress small -o back --quiet >/dev/null
if grep -q measured back/config.json; then fail "a plain checkpoint says what was measured of another"; fi
# Of the two, one was measured.
rm small/config.json third/config.json
same small third
# A calibration that the user keeps there is neither replaced nor removed; nor does a slash put ours into the output.
cp -r kept fifth.calibration
refused 1 nwcodec compress "$DEMO" --text text.txt -o fifth --bits 3 --sequences 1 --length 64
same kept fifth.calibration
quietly nwcodec compress "$DEMO" --text text.txt -o sixth/ --bits 3 --sequences 1 --length 64 --quiet
same sixth fourth
# An output that is somebody's is told of before the calibration.
refused 1 nwcodec compress "$DEMO" --text text.txt -o small --bits 3 --sequences 1 --length 64 --hessians never
absent fifth sixth.calibration never
nwcodec compress "$DEMO" --list --hessians kept --bits 3 | says "embed_tokens.weight .* compressed" ||
  fail "the list leaves the embedding alone"
# Sizes of all weight files, within half a per cent.
for size in 2.5MB 25%; do
  rm -rf sized
  nwcodec compress "$DEMO" -o sized --size "$size" --hessians kept --quiet >/dev/null
  case $size in
    *%) wanted=$(($(cat "$DEMO"/*.safetensors | wc -c) / 4)) ;;
    *) wanted=$(awk -v mb="${size%MB}" 'BEGIN { print mb * 1e6 }') ;;
  esac
  awk -v wanted="$wanted" -v bytes="$(cat sized/*.safetensors | wc -c)" 'BEGIN {
    if (bytes < 1.005 * wanted && bytes > 0.995 * wanted) exit 0
    print bytes " bytes instead of " wanted
    exit 1
  }'
done
# Without gradients, or where levels are asked for, the codec's way.
nwcodec calibrate "$DEMO" --text text.txt -o plain --no-gradients --sequences 4 --length 64 --quiet >/dev/null
nwcodec compress "$DEMO" -o levels --bits 3 --hessians plain --quiet --json | says '"codec": "fast-' ||
  fail "no codec"
refused 1 nwcodec compress "$DEMO" -o fine --bits 3 --hessians plain --steps sensitivity --quiet
refused 2 nwcodec compress "$DEMO" -o none --size 10X
refused 2 nwcodec compress "$DEMO" -o none --size 50% --bits 3
refused 1 nwcodec compress "$DEMO" -o none --size 1% --quiet
refused 2 nwcodec compress "$DEMO" -o none --sequences 4
