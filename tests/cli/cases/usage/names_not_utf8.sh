# JSON stays JSON where a file name is no UTF-8.
tiny model
echo >model/$'\xff.bin'
nwcodec compress model -o $'out\xfe' --json 2>/dev/null |
  check_json '/warnings/0="\ufffd.bin is not copied: weights that are not part of the checkpoint"'
cp "$CODEC" $'codec\xfd.safetensors'
nwcodec compress model -o out2 --codec $'codec\xfd.safetensors' --json 2>/dev/null | check_json /output_bytes
