tiny model
quietly nwcodec compress model -o out
nwcodec inspect out
