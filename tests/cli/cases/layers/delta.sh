# A delta on a compressed base: found where it lies, or named; nothing for what has not changed.
tiny model --hidden 128 --shards 2
tiny tuned --hidden 128 --shards 2 --seed 2
quietly nwcodec compress model -o base --bits 3
nwcodec compress tuned --base base -o delta --bits 4 | says 'differences of .* 14 tensors; 1 stored by themselves' ||
  fail "the summary does not count differences"
quietly nwcodec inspect delta --verify
nwcodec inspect delta | says 'a delta      of base' || fail "inspect does not name the base"
quietly nwcodec decompress delta -o plain
# Also through a link: the way to the base is that from the delta itself.
mkdir links
ln -s ../delta links/here
quietly nwcodec decompress links/here -o linked
same plain linked
mkdir far
mv base far
refused 1 nwcodec decompress delta -o x
quietly nwcodec decompress delta -o plain2 --base far/base
refused 1 nwcodec trim delta -o x --layers 1
quietly nwcodec trim delta -o trimmed --layers 1 --base far/base --quiet
same delta trimmed
same plain plain2
refused 1 nwcodec inspect delta --base delta
quietly nwcodec compress tuned -o alone --bits 3
refused 1 nwcodec decompress delta -o x --base alone
refused 1 nwcodec decompress delta -o x --base model
refused 1 nwcodec decompress alone -o x --base far/base
mv far/base base
# The same model again: nothing is stored but what it is the difference from.
quietly nwcodec compress model --base base --base-model model -o same --bits 1
quietly nwcodec decompress same -o again
quietly nwcodec decompress base -o decoded
same again decoded
nwcodec compare base same --quiet | says "^same" || fail "a delta is not compared"
[ "$(cat same/model*.safetensors | wc -c)" -lt 1000 ] || fail "tensors that are equal cost something"
# Sizes are shares of the whole model, also of what the base gives.
original=$(nwcodec compress model --base base --base-model model -o same2 --bits 1 --json --quiet |
  sed -n 's/^  "input_bytes": \([0-9]*\),$/\1/p')
nwcodec inspect same2 --json | check_json "/original_bytes=$original"
bits=$(nwcodec inspect same2 | sed -n 's/.* \([0-9.]*\) bits per parameter$/\1/p')
awk -v bits="$bits" 'BEGIN { exit !(bits < 0.5) }' || fail "$bits bits per parameter of nearly nothing"
# A base, or its original, of another model.
tiny other --hidden 64 --shards 2
refused 1 nwcodec compress other --base base -o x --bits 2
refused 1 nwcodec compress tuned --base base --base-model other -o x --bits 2
refused 1 nwcodec compress tuned --base base --base-model base -o x --bits 2
refused 2 nwcodec compress tuned --base base -o x
refused 2 nwcodec compress tuned --base base -o x --size 50%
refused 2 nwcodec compress tuned -o x --base-model model --bits 2
refused 1 nwcodec compress tuned --base delta -o x --bits 2
refused 1 nwcodec compress tuned --base model -o x --bits 2
absent x
