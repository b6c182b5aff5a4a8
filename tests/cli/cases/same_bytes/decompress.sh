tiny model --shards 2 --hidden 72 --dtype F32
quietly nwcodec compress model -o out
quietly nwcodec decompress out -o plain
sums plain >wanted
for threads in 1 2; do
  quietly nwcodec decompress out -o again --threads $threads
  diff wanted <(sums again) || fail "--threads $threads writes other bytes"
  rm -r again
done
for isa in scalar avx2 avx512 neon; do
  code=0
  NWCODEC_ISA=$isa nwcodec decompress out -o again >/dev/null 2>message || code=$?
  if grep -q "this machine cannot run it" message; then continue; fi
  [ $code -eq 0 ] || fail "exit code $code with $isa"
  diff wanted <(sums again) || fail "$isa writes other bytes"
  rm -r again
done
