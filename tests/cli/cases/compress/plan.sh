# What a compression will come to, without one.
for _ in 1 2 3 4; do cat "$DEMO_TEXT"; done >text.txt
nwcodec calibrate "$DEMO" --text text.txt -o kept --sequences 4 --length 64 --quiet >/dev/null
nwcodec compress "$DEMO" --plan --hessians kept --bits 3 --quiet >plan.txt
grep -q '^model.layers.0.mlp.down_proj.weight .* [0-9.]*$' plan.txt || fail "no line for a tensor"
grep -q '^KL divergence  *[0-9.]* nats per token' plan.txt || fail "no divergence"
nwcodec compress "$DEMO" --plan --hessians kept --size 30% --quiet --json >plan.json
check_json <plan.json /predicted=true /kl_divergence /bits_per_weight /output_bytes /tensors/0/kl_divergence
nwcodec compress "$DEMO" -o small --hessians kept --size 30% --quiet --json >small.json
planned=$(sed -n 's/^  "output_bytes": //p' plan.json) bytes=$(sed -n 's/^  "output_bytes": //p' small.json)
awk -v planned="${planned%,}" -v bytes="${bytes%,}" 'BEGIN {
  if (planned < 1.01 * bytes && planned > 0.99 * bytes) exit 0
  print planned " bytes were planned, " bytes " it is"
  exit 1
}'
refused 2 nwcodec compress "$DEMO" --plan --bits 3
refused 2 nwcodec compress "$DEMO" --plan --hessians kept
refused 2 nwcodec compress "$DEMO" --plan --hessians kept --bits 3 --text text.txt
refused 1 nwcodec compress "$DEMO" --plan --hessians kept --bits 3 --steps levels --quiet
refused 1 nwcodec compress "$DEMO" --plan --hessians kept --size 1% --quiet
refused 1 nwcodec compress "$DEMO" --plan --hessians absent --bits 3 --quiet
