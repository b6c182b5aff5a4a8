tiny model
chmod 000 model/model.safetensors
if unprivileged test -r model/model.safetensors; then skip "this user may read everything"; fi
refused 1 unprivileged "$NWCODEC" compress model -o out
absent out
