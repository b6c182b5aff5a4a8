# A checkpoint that is not what its headers say is refused before anything is written.
tiny good --shards 2
shard=model-00001-of-00002.safetensors
broken() { rm -rf model && cp -r good model; }

broken; truncate -s -1 model/$shard; refused 1 nwcodec compress model -o out
broken; truncate -s 4 model/$shard; refused 1 nwcodec compress model -o out
broken; truncate -s 0 model/$shard; refused 1 nwcodec compress model -o out
broken; echo >>model/$shard; refused 1 nwcodec compress model -o out
broken; printf '\xff\xff\xff\xff\xff\xff\xff\xff' | dd of=model/$shard conv=notrunc status=none
refused 1 nwcodec compress model -o out
broken; sed -i 's/"BF16"/"QF16"/' model/$shard; refused 1 nwcodec compress model -o out
broken; cp model/$shard model/model-00002-of-00002.safetensors; refused 1 nwcodec compress model -o out
broken; echo '{"weight_map": {' >model/model.safetensors.index.json; refused 1 nwcodec compress model -o out
broken; echo '{}' >model/model.safetensors.index.json; refused 1 nwcodec compress model -o out
absent out
