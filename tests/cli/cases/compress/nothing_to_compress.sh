tiny model
refused 1 nwcodec compress model -o out --exclude .
absent out
