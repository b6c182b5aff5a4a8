# The smallest size within a divergence: measured, repeatable, and without a trace of what was tried. So few tokens
# tell a divergence to a twentieth.
for _ in 1 2 3 4; do cat "$DEMO_TEXT"; done >text.txt
options=(--text text.txt --divergence 0.1 --sequences 4 --length 64 --quiet --json)
nwcodec compress "$DEMO" "${options[@]}" -o small >small.json
check_json <small.json /held_out/kl_divergence /held_out/perplexity /trials/0/bits /trials/0/kl_divergence
awk -v kl="$(sed -n 's/^    "kl_divergence": \([0-9.e-]*\),$/\1/p' small.json | tail -n 1)" 'BEGIN {
  if (kl <= 0.1 && kl >= 0.085) exit 0
  print "a divergence of " kl
  exit 1
}'
absent small/.nwcodec small/.nwcodec-unfinished small.calibration
nwcodec inspect small | says 'made by      nwcodec compress demo --divergence 0.1' || fail "inspect does not say how"
