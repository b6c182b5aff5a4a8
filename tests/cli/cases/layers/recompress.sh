# From one compressed checkpoint to a smaller one, with a warning; the decoded model does not stay.
tiny model --hidden 128
quietly nwcodec compress model -o six --bits 6
nwcodec recompress six -o three --bits 3
absent three.decoded
quietly nwcodec inspect three --verify
[ "$(cat three/*.safetensors | wc -c)" -lt "$(cat six/*.safetensors | wc -c)" ] || fail "no smaller"
refused 1 nwcodec recompress model -o x --bits 3
absent x x.decoded
