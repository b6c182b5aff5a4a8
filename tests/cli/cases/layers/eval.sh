# Prefixes of the demo model are evaluated, and continue a text.
nwcodec compress "$DEMO" -o small --layers 3,5 --quiet >/dev/null
divergence() {
  nwcodec eval small --text "$DEMO_TEXT" --reference "$DEMO" --context 64 --windows 4 --layers "$1" --quiet --json |
    sed -n 's/^  "kl_divergence": \([0-9.e-]*\),$/\1/p'
}
awk -v base="$(divergence 1)" -v both="$(divergence 2)" 'BEGIN { exit !(both > 0 && both < base / 4) }' ||
  fail "a refinement of two bits does not make a quarter of the divergence: $(divergence 1), $(divergence 2)"
nwcodec generate small --prompt "Once upon" --max-new-tokens 4 --layers 1 --quiet | says '^Once upon' || fail "no text"
nwcodec generate small --prompt "Once upon" --max-new-tokens 4 --quiet | says '^Once upon' || fail "no text"
