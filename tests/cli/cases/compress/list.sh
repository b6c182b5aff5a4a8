# What would become of each tensor, without writing anything; with --output, also while compressing.
tiny model
nwcodec compress model --list --exclude k_proj
nwcodec compress model --list --json --exclude k_proj >json
check_json '/selection/0/name="model.layers.0.input_layernorm.weight"' '/selection/0/verdict="dimensions"' \
  /selection/0/why '/selection/1/verdict="compressed"' '/warnings=[]' <json
[ "$(ls)" = "$(printf 'json\nmodel')" ]
nwcodec compress model -o out --list --quiet >both
grep -q '^model.embed_tokens.weight .* as it is: embedding$' both
grep -q '^payload' both
nwcodec compress model -o again --list --json | check_json /selection/19/why /tensors/13/name
same out again
refused 1 nwcodec compress out --list
refused 2 nwcodec compress model
# Values count: what would be ruined by garbage stays as it is, what holds NaN is refused or kept.
tiny values --garbage model.layers.0.mlp.up_proj.weight --nan model.layers.1.mlp.up_proj.weight
nwcodec compress values --list >of_values
says '^model.layers.0.mlp.up_proj.weight .* as it is: weight .* columns would be lost beside it' <of_values
says '^model.layers.1.mlp.up_proj.weight .* refused: weight .* is NaN' <of_values
says '^refused     1 tensors$' <of_values
nwcodec compress values --list --keep-nonfinite --json | check_json '/selection/7/verdict="compressed"' >/dev/null
nwcodec compress values --list --keep-nonfinite >kept
says '^model.layers.1.mlp.up_proj.weight .* as it is: weight .* is NaN$' <kept
