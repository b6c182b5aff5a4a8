# What a kill at the very first moment leaves: a directory that holds nothing but half a marker.
tiny model
quietly nwcodec compress model -o wanted
mkdir out
printf 'command: compr' >out/.nwcodec-unfinished
quietly nwcodec compress model -o out
same out wanted
