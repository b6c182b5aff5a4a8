tiny model
chmod 000 model/model.safetensors
if [ -r model/model.safetensors ]; then skip "this user may read everything"; fi
refused 1 nwcodec compress model -o out
absent out
