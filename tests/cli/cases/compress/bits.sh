# --bits chooses codec and gain; the rate on disk is the one asked for, side information included.
tiny model --hidden 128 --layers 3
nwcodec compress model -o out --bits 3.5 --json --quiet >json
check_json /codec /gain /tensors/20/name <json
bits=$(nwcodec inspect out --json | sed -n 's/^  "bits_per_weight": \([0-9.]*\),$/\1/p')
awk -v b="$bits" 'BEGIN { exit !(b > 3.35 && b < 3.65) }' || fail "$bits bits per weight instead of 3.5"
