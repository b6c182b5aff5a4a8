# A tensor that one weight would ruin stays as it is, and a line says so.
tiny model --garbage model.layers.1.mlp.up_proj.weight
nwcodec compress model -o out >/dev/null
nwcodec inspect out --verify --json | check_json /tensors/12/name /plain_tensors=7
if nwcodec inspect out | grep layers.1.mlp.up_proj; then fail "the tensor was compressed"; fi
quietly nwcodec decompress out -o plain
# Where it is the only one, the checkpoint keeps all its weights; a rate has nothing to hold to.
nwcodec compress model -o only --exclude 'proj.*(?<!1.mlp.up_proj.weight)$' --quiet >/dev/null
refused 1 nwcodec compress model -o none --exclude 'proj.*(?<!1.mlp.up_proj.weight)$' --bits 4
absent none
