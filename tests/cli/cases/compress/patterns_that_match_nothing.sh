# A pattern that does nothing is a slip: a warning names it, with what may have been meant.
tiny model
for option in "--exclude self_atn" "--include down_prj" "--include model.norm" "--exclude vision_tower"; do
  nwcodec compress model -o out --force --threads 1 $option >/dev/null
done
nwcodec compress model --list --exclude self_atn >/dev/null
nwcodec compress model -o out --force --exclude self_attn --json | check_json '/warnings=[]'
quietly nwcodec compress model -o out --force --quiet --exclude self_atn
