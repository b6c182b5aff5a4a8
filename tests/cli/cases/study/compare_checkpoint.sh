# What another program made of a model stands beside methods: its own bits, the same error as the method's that it is.
tiny model
nwcodec study compare model --methods round-to-nearest --bits 4 -o own --keep --quiet >own.txt
cp -r own/checkpoints/round-to-nearest-4 theirs
weights=$(grep -o '"weights": *[0-9]*' own/points/round-to-nearest-4.json | grep -o '[0-9]*$')
error=$(grep -o '"relative_squared_error": *[-0-9.e]*' own/points/round-to-nearest-4.json | sed 's/.*: *//')
record() { printf '{"nominal_bits": 4, "bits_per_weight": %s, "weights": %s, "notes": ["theirs"]}' "$1" "$2"; }
record 4.75 "$weights" >theirs/peer.json
nwcodec study compare model --methods checkpoint:directory=theirs --bits 3,4 -o out --quiet >out.txt
says '^not at 3 bits: checkpoint: is of another nominal rate' <out.txt || fail "no reason"
says '^checkpoint:directory=theirs: theirs' <out.txt || fail "no note"
check_json '/bits=4.75' "/relative_squared_error=$error" <out/points/checkpoint-directory=theirs-4.json
# A record that changed is another point; one of another model is refused.
record 4.5 "$weights" >theirs/peer.json
refused 1 nwcodec study compare model --methods checkpoint:directory=theirs --bits 4 -o out --quiet
record 4.5 17 >theirs/peer.json
refused 1 nwcodec study compare model --methods checkpoint:directory=theirs --bits 4 -o other --quiet
echo '{"nominal_bits": 4}' >theirs/peer.json
refused 1 nwcodec study compare model --methods checkpoint:directory=theirs --bits 4 -o other --quiet
