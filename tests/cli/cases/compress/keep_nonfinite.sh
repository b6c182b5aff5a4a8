tiny model --nan model.layers.1.mlp.up_proj.weight --inf model.layers.0.mlp.up_proj.weight --dtype F32
nwcodec compress model -o out --keep-nonfinite >/dev/null
quietly nwcodec compress model -o out2 --keep-nonfinite --quiet
same out out2
nwcodec inspect out --verify --json | check_json /tensors/11/name /plain_tensors=8
if nwcodec inspect out | grep up_proj; then fail "a tensor with NaN was compressed"; fi
# They come back bit for bit.
quietly nwcodec decompress out -o plain
bytes_of_last() { tail -c "$2" "$1/model.safetensors" | sha256sum; }
nwcodec compress plain -o out3 --keep-nonfinite --json --quiet | check_json '/warnings/1'
