tiny model
quietly nwcodec compress model -o once
refused 1 nwcodec compress once -o out
absent out
