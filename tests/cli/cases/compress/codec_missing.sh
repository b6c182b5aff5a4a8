tiny model
refused 1 nwcodec compress model -o out --codec no-such-codec
refused 1 nwcodec compress model -o out --codec ../codecs/fast-1000
refused 1 nwcodec compress model -o out --codec model
mkdir own && cp "$CODEC" own/mine.safetensors
NWCODEC_CODECS=own refused 1 nwcodec compress model -o out --codec yours
absent out
NWCODEC_CODECS=own quietly nwcodec compress model -o out --codec mine
