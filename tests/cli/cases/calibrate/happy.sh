# Hessians, then levels and feedback: the same bytes whatever the threads, and a lower divergence at the same size.
nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 4 --length 128 --seed 3 --threads 1
quietly nwcodec compress "$DEMO" -o plain --bits 2.4 --quiet
nwcodec compress "$DEMO" -o guided --bits 2.4 --hessians hessians --quiet --json >guided.json
check_json <guided.json /codec /gain /tensors/0/weighted_error
quietly nwcodec compress "$DEMO" -o again --bits 2.4 --hessians hessians --quiet --threads 1
same guided again
divergence() {
  nwcodec eval "$1" --text "$DEMO_TEXT" --reference "$DEMO" --context 256 --json --quiet |
    sed -n 's/.*"kl_divergence": \([0-9.e-]*\),*/\1/p'
}
awk -v plain="$(divergence plain)" -v guided="$(divergence guided)" 'BEGIN {
  if (guided > 0 && guided < 0.9 * plain) exit 0
  print "divergence " guided " instead of less than nine tenths of " plain
  exit 1
}'
quietly nwcodec decompress guided -o back --quiet
