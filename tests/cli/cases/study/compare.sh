# Methods beside each other: a table, points that a second run takes from the first, and bits that anybody can count.
tiny model
nwcodec study compare model --methods round-to-nearest:group=0,quip-sharp:feedback=0 --bits 2.5,4 -o out --threads 1
nwcodec study compare model --methods round-to-nearest:group=0 --bits 4 -o out --json |
  check_json '/points/0/method="round-to-nearest:group=0"' /points/0/bits /points/0/relative_squared_error
head -n 1 out/compare.csv
[ -e out/points/round-to-nearest-group=0-4.json ] || fail "no point"
[ ! -e out/checkpoints ] || fail "a checkpoint was left"
nwcodec study compare model --methods round-to-nearest --bits 4 -o out --keep --quiet >kept
says 'round-to-nearest *4' <kept || fail "no row"
[ -e out/checkpoints/round-to-nearest-4/model.safetensors ] || fail "not kept"
