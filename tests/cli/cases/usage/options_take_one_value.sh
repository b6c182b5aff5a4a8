# --include must not swallow the positional argument after it.
tiny model
quietly nwcodec compress --include embed --exclude mlp model -o out
nwcodec inspect --json out |
  check_json /tensors/0/name='"model.embed_tokens.weight"' /tensors/1/name='"model.layers.0.self_attn.k_proj.weight"'
