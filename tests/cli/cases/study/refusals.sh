# Wrong arguments and what is already there.
tiny model
refused 2 nwcodec study
refused 2 nwcodec study nonsense
refused 2 nwcodec study statistics model
refused 1 nwcodec study statistics nowhere -o out
refused 1 nwcodec study tensors model --compressed model -o out
refused 1 nwcodec study rate-distortion --tensor x -o out
refused 2 nwcodec study rate-distortion --samples 5 -o out
refused 2 nwcodec study compare model --methods nearest -o out
refused 2 nwcodec study compare model --methods round-to-nearest:group=x -o out
refused 2 nwcodec study compare model --methods gptq -o out
refused 2 nwcodec study compare model --methods checkpoint -o out
refused 1 nwcodec study compare model --methods checkpoint:directory=nowhere -o out
refused 2 nwcodec study reproduce model --calibration text -o out
refused 2 nwcodec study reproduce model --calibration text --wikitext text -o out --only figure-2
refused 1 nwcodec study reproduce model --calibration text --wikitext text -o out
mkdir -p taken
touch taken/statistics.svg
refused 1 nwcodec study statistics model -o taken
quietly nwcodec study statistics model -o taken --force
grep -q '</svg>' taken/statistics.svg || fail "not overwritten"
