tiny model --shards 2
echo "text" >model/tokenizer.json
nwcodec compress model -o out
(cd out && ls -A)
cmp model/tokenizer.json out/tokenizer.json
quietly nwcodec inspect --verify out
grep -q '"quant_method": "nwcodec"' out/config.json
[ "$("$TOOLS/verify_shards" out)" -eq 3 ]
