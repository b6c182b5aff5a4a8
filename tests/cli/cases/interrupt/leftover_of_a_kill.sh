# What a kill at the very first moment leaves: a directory that holds nothing but half a marker.
tiny model
quietly nwcodec compress model -o wanted
mkdir out
echo >out/..nwcodec-unfinished.partial
quietly nwcodec compress model -o out
same out wanted
