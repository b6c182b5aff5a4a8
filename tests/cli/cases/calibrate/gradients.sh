# Both sides of the layers, then steps by sensitivity: the same bytes whatever the threads, and a lower divergence than
# with levels at the same size.
nwcodec calibrate "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 8 --length 128 --seed 3 --threads 1
nwcodec compress "$DEMO" -o levels --bits 3 --hessians hessians --steps levels --quiet >/dev/null
nwcodec compress "$DEMO" -o steps --bits 3 --hessians hessians --keep-embeddings --quiet --json >steps.json
check_json <steps.json /codec /gain /tensors/0/weighted_error
quietly nwcodec compress "$DEMO" -o again --bits 3 --hessians hessians --steps sensitivity \
  --keep-embeddings --quiet --threads 1
same steps again
size() { cat "$1"/*.safetensors | wc -c; }
divergence() {
  nwcodec eval "$1" --text "$DEMO_TEXT" --reference "$DEMO" --context 256 --json --quiet |
    sed -n 's/.*"kl_divergence": \([0-9.e-]*\),*/\1/p'
}
awk -v levels="$(divergence levels)" -v steps="$(divergence steps)" \
  -v bytes="$(size levels)" -v few="$(size steps)" 'BEGIN {
  if (steps > 0 && steps < 0.85 * levels && few < 1.005 * bytes) exit 0
  print "divergence " steps " in " few " bytes beside " levels " in " bytes
  exit 1
}'
quietly nwcodec decompress steps -o back --quiet
# Embedding and head too: half the file, at a divergence that stays near.
nwcodec compress "$DEMO" -o all --bits 3 --hessians hessians --quiet >/dev/null
awk -v steps="$(divergence steps)" -v all="$(divergence all)" -v bytes="$(size all)" -v more="$(size steps)" 'BEGIN {
  if (all > 0 && all < 2 * steps && bytes < 0.5 * more) exit 0
  print "divergence " all " in " bytes " bytes beside " steps " in " more
  exit 1
}'
