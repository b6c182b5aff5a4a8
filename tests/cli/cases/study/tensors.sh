# A table for people, JSON, CSV and SVG that agree.
tiny model
quietly nwcodec compress model -o out
nwcodec study tensors model --compressed out -o study --threads 1
nwcodec study tensors model --compressed out -o again --json |
  check_json '/tensors/13/block=1' /tensors/0/nmse /tensors/0/db_over_ecsq /tensors/0/largest_error_steps
same study again
head -n 1 study/tensors.csv
[ "$(wc -l <study/tensors.csv)" -eq 15 ] || fail "14 tensors and a header"
tail -n 1 study/tensors.svg
