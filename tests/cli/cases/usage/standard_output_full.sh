# Results that could not be printed are a failure.
if [ ! -w /dev/full ]; then skip "there is no /dev/full"; fi
tiny model
nwcodec_to_full() { "$NWCODEC" "$@" >/dev/full; }
refused 1 nwcodec_to_full --help
refused 1 nwcodec_to_full --version
refused 1 nwcodec_to_full compress model -o out
refused 1 nwcodec_to_full compress model -o out2 --json
refused 1 nwcodec_to_full inspect out
refused 1 nwcodec_to_full inspect out --json
refused 1 nwcodec_to_full decompress out -o plain
refused 1 nwcodec_to_full generate "$DEMO" --prompt Once --max-new-tokens 3
# The work itself was done: only its report is lost.
same out out2
