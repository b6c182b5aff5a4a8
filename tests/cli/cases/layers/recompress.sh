# From one compressed checkpoint to a smaller one, with a warning; the decoded model does not stay.
tiny model --hidden 128
quietly nwcodec compress model -o six --bits 6
nwcodec recompress six -o three --bits 3
absent three.decoded
quietly nwcodec inspect three --verify
[ "$(cat three/*.safetensors | wc -c)" -lt "$(cat six/*.safetensors | wc -c)" ] || fail "no smaller"
refused 1 nwcodec recompress model -o x --bits 3
absent x x.decoded
# A slash behind the output, or a dot for it, does not put the decoded model inside.
quietly nwcodec recompress six -o three2/ --bits 3 --quiet
same three three2
mkdir here
(cd here && nwcodec recompress ../six -o . --bits 3 --quiet >/dev/null)
same three here
absent three2.decoded here.decoded
# What stands there already is the user's: neither written over nor removed. Nor is the output.
mkdir mine.decoded
echo mine >mine.decoded/notes
refused 1 nwcodec recompress six -o mine --bits 3
grep -q mine mine.decoded/notes
absent mine
refused 1 nwcodec recompress six -o three --bits 3
refused 1 nwcodec recompress six -o six --bits 3 --force
absent three.decoded six.decoded
# What a killed run has left there is replaced.
"$NWCODEC" recompress six -o killed --bits 3 --quiet >/dev/null &
await 20 [ -d killed.decoded/model ]
kill -KILL $!
wait $! 2>/dev/null || true
[ -d killed.decoded/model ] || fail "there was no time to kill it"
quietly nwcodec recompress six -o killed --bits 3 --quiet
same three killed
absent killed.decoded
