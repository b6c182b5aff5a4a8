tiny model
refused 1 nwcodec decompress model -o out
refused 1 nwcodec inspect model
refused 1 nwcodec decompress nowhere -o out
absent out
