# Other tiles, the same weights; back again, the same bytes.
tiny model --shards 2
quietly nwcodec compress model -o out --codec-tables-only
nwcodec convert out -o small --tile-chunks 256 --run-groups 1 |
  says 'weight files  .* -> .*, 14 tensors with other tiles' || fail "the summary is not what it was"
quietly nwcodec decompress out -o plain
quietly nwcodec decompress small -o plain2
same plain plain2
quietly nwcodec inspect small --verify
nwcodec convert small -o back --tile-chunks 2048 --run-groups 64 --json >json
check_json /tensors=14 /output_bytes=$(cat out/model-*.safetensors | wc -c) '/warnings=[]' <json
same out back
refused 1 nwcodec convert model -o x
refused 2 nwcodec convert out -o x --tile-chunks 100
refused 2 nwcodec convert out
refused 1 nwcodec convert out -o out
