# A base that is what its rate alone gives, refinements beside it, every prefix a checkpoint.
tiny model --hidden 128 --layers 3 --shards 2
quietly nwcodec compress model -o alone --bits 3
nwcodec compress model -o out --layers 3,4.5,6 --json --quiet >json
check_json /layers/0/bits_per_weight /layers/2/bits_per_weight <json
for file in $(ls alone); do cmp "alone/$file" "out/$file" || fail "the base is not what 3 bits give"; done
nwcodec inspect out --verify | says 'refinement-2 .* bits per weight and .* with all before, 21 tensors' ||
  fail "inspect does not show the layers"
bits_of() { nwcodec inspect out --layers "$1" --json | sed -n 's/^  "bits_per_weight": \([0-9.]*\),$/\1/p'; }
for pair in 1:3 2:4.5 3:6; do
  awk -v b="$(bits_of "${pair%:*}")" -v wanted="${pair#*:}" 'BEGIN { exit !(b > wanted - 0.2 && b < wanted + 0.2) }' ||
    fail "$(bits_of "${pair%:*}") bits per weight instead of ${pair#*:}"
done
# Prefixes, by option, by trimming, and by what is there.
quietly nwcodec decompress alone -o plain
quietly nwcodec decompress out -o plain1 --layers 1
same plain plain1
quietly nwcodec decompress out -o plain2 --layers 2 --quiet
quietly nwcodec trim out -o two --layers 2
quietly nwcodec decompress two -o plain2b
same plain2 plain2b
nwcodec trim out -o one --layers 1 | says 'weight files  .* -> .*, 1 of 3 layers' ||
  fail "trim does not say what it did"
same one alone
rm -r out/refinement-2
quietly nwcodec decompress out -o plain2c
same plain2 plain2c
if diff -r plain1 plain2 >/dev/null; then fail "a refinement changes nothing"; fi
refused 1 nwcodec decompress out -o x --layers 3
refused 1 nwcodec trim out -o x --layers 3
refused 1 nwcodec convert out -o x --tile-chunks 256
refused 1 nwcodec inspect out/refinement-1
refused 2 nwcodec compress model -o x --layers 3
refused 2 nwcodec compress model -o x --layers 3,5 --bits 3
refused 2 nwcodec compress model -o x --layers 3,5 --size 50%
refused 2 nwcodec compress model -o x --layers 3,3.1
refused 2 nwcodec compress model -o x --layers 5,3
refused 2 nwcodec inspect out --layers 0
absent x
