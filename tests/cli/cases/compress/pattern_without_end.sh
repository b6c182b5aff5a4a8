# A pattern that would try for ever is given up within a moment, and named with the tensor.
tiny model
began=$SECONDS
refused 1 nwcodec compress model -o out --exclude '((([a-z_.]+)+)+)+!'
refused 1 nwcodec compress model -o out --include '(?:[^!]?){60}[^!]{60}!'
[ $((SECONDS - began)) -le 60 ] || fail "$((SECONDS - began)) seconds"
absent out
