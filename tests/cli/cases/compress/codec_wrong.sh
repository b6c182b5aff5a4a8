tiny model
echo "not a codec" >text.safetensors
refused 1 nwcodec compress model -o out --codec text.safetensors
: >empty.safetensors
refused 1 nwcodec compress model -o out --codec empty.safetensors
# A checkpoint is no codec.
refused 1 nwcodec compress model -o out --codec model/model.safetensors
# What lies in a compressed checkpoint is the decoder's half.
quietly nwcodec compress model -o good
refused 1 nwcodec compress model -o out --codec good/codec.safetensors
# A newer format.
LC_ALL=C sed 's/"nwcodec.format_version":"1"/"nwcodec.format_version":"9"/' "$CODEC" >newer.safetensors
refused 1 nwcodec compress model -o out --codec newer.safetensors
head -c 5000 "$CODEC" >short.safetensors
refused 1 nwcodec compress model -o out --codec short.safetensors
absent out
