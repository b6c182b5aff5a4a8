# The same command writes the same bytes, with every number of threads and every instruction set.
tiny model --shards 2 --hidden 72
quietly nwcodec compress model -o out
sums out >wanted
for threads in 1 2 5; do
  quietly nwcodec compress model -o again --threads $threads
  diff wanted <(sums again) || fail "--threads $threads writes other bytes"
  rm -r again
done
for isa in scalar avx2 avx512 neon; do
  code=0
  NWCODEC_ISA=$isa nwcodec compress model -o again >/dev/null 2>message || code=$?
  if grep -q "this machine cannot run it" message; then continue; fi
  [ $code -eq 0 ] || fail "exit code $code with $isa"
  diff wanted <(sums again) || fail "$isa writes other bytes"
  rm -r again
done
