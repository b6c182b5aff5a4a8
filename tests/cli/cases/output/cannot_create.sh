tiny model
refused 1 nwcodec compress model -o /dev/null/nwcodec
refused 1 nwcodec compress model -o "$(printf 'x%.0s' {1..300})"
ln -s nowhere dangling
refused 1 nwcodec compress model -o dangling
absent nowhere
