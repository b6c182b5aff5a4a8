# Back to a plain checkpoint: the same files, names, shapes and dtypes, and no trace of compression.
tiny model --shards 2
echo text >model/tokenizer.json
quietly nwcodec compress model -o out
nwcodec decompress out -o plain
(cd plain && ls -A)
for shard in model-00001-of-00002.safetensors model-00002-of-00002.safetensors; do
  headers() { head -c $(($(od -An -tu8 -N 8 "$1/$shard") + 8)) "$1/$shard" | tail -c +9 | sed 's/  *$//'; }
  diff <(headers model) <(headers plain)
done
cmp model/model.safetensors.index.json plain/model.safetensors.index.json
"$TOOLS/check_json" '/model_type="llama"' <plain/config.json
if grep -r nwc plain; then fail "a trace of compression is left"; fi
nwcodec decompress out -o plain2 --json >json
check_json /input_bytes=$(cat out/model-*.safetensors | wc -c) \
  /output_bytes=$(cat plain/*.safetensors | wc -c) '/warnings=[]' <json
same plain plain2
