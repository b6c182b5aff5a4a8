# A file that cannot grow: one line that names the file, and no output directory.
tiny model --hidden 128 --layers 3
quietly nwcodec compress model -o good
limited() { (ulimit -f 40 && "$NWCODEC" "$@"); }
refused 1 limited compress model -o out
absent out
refused 1 limited decompress good -o plain
absent plain
