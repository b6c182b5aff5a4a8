# Recovery: lower divergence at the same size, the size that was asked for, the same bytes whatever the threads.
export OPENBLAS_NUM_THREADS=1
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 8 --length 128 --threads 1
arguments=(--bits 2.4 --hessians hessians --no-levels)
quietly nwcodec compress "$DEMO" -o plain "${arguments[@]}"
quietly nwcodec compress "$DEMO" -o recovered "${arguments[@]}" --recover --recover-sequences 16 --recover-epochs 2
quietly nwcodec compress "$DEMO" -o again "${arguments[@]}" --recover --recover-sequences 16 --recover-epochs 2 \
  --threads 1
same recovered again
bits() { nwcodec inspect "$1" --json | sed -n 's/^  "bits_per_weight": \([0-9.]*\),$/\1/p'; }
awk -v a="$(bits plain)" -v b="$(bits recovered)" 'BEGIN { exit !(b < 1.01 * a && b > 0.99 * a) }' ||
  fail "$(bits recovered) bits per weight instead of $(bits plain)"
divergence() {
  nwcodec eval "$1" --text "$DEMO_TEXT" --reference "$DEMO" --context 256 --json --quiet |
    sed -n 's/.*"kl_divergence": \([0-9.e-]*\),*/\1/p'
}
awk -v plain="$(divergence plain)" -v recovered="$(divergence recovered)" 'BEGIN {
  if (recovered > 0 && recovered < plain) exit 0
  print "divergence " recovered " instead of less than " plain
  exit 1
}'
