tiny model --shards 2
quietly nwcodec compress model -o good
broken() { rm -rf bad && cp -r good bad; }

broken; truncate -s -1 bad/model-00002-of-00002.safetensors
refused 1 nwcodec inspect bad --verify
refused 1 nwcodec decompress bad -o out
broken; truncate -s 100 bad/model-00002-of-00002.safetensors
refused 1 nwcodec decompress bad -o out
broken; truncate -s 0 bad/codec.safetensors
refused 1 nwcodec decompress bad -o out
broken; rm bad/codec.safetensors
refused 1 nwcodec inspect bad
refused 1 nwcodec decompress bad -o out
broken; rm bad/model-00001-of-00002.safetensors
refused 1 nwcodec decompress bad -o out
broken; rm bad/model.safetensors.index.json
refused 1 nwcodec decompress bad -o out
absent out
