tiny model
quietly nwcodec compress model -o once
refused 1 nwcodec compress once -o out
absent out
# Nor does anything else take streams for weights.
quietly nwcodec compress "$DEMO" -o demo --quiet
refused 1 nwcodec calibrate demo --text "$DEMO_TEXT" --sequences 1 --length 32 -o x
refused 1 nwcodec train demo -o x.safetensors
refused 1 nwcodec study statistics demo -o pages
absent x x.safetensors
