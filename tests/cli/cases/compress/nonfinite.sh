# NaN and infinity are refused by name before anything is written.
tiny nan --nan model.layers.1.mlp.up_proj.weight
refused 1 nwcodec compress nan -o out
tiny inf --inf model.layers.0.self_attn.q_proj.weight --dtype F16
refused 1 nwcodec compress inf -o out
absent out
# In a tensor that stays as it is they do no harm.
tiny plain --nan model.norm.weight
quietly nwcodec compress plain -o out
