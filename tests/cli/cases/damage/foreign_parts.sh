# Streams are only decoded with the codec that made them, and only under their own name.
tiny model --shards 2
tiny other --shards 2 --seed 2
quietly nwcodec compress model -o good
quietly nwcodec compress other -o other_good --codec fast-300
broken() { rm -rf bad && cp -r good bad; }

broken; cp other_good/codec.safetensors bad
refused 1 nwcodec inspect bad
refused 1 nwcodec decompress bad -o out
broken; cp "$CODEC" bad/codec.safetensors
refused 1 nwcodec decompress bad -o out
broken; cp other_good/model-00002-of-00002.safetensors bad
refused 1 nwcodec decompress bad -o out
rm -rf out # a shard that was complete before the foreign one was come to
broken; LC_ALL=C sed -i 's/"nwcodec.format_version":"1"/"nwcodec.format_version":"9"/' bad/codec.safetensors
refused 1 nwcodec decompress bad -o out
broken; LC_ALL=C sed -i 's/q_proj/z_proj/g' bad/model-00001-of-00002.safetensors bad/model.safetensors.index.json
refused 1 nwcodec decompress bad -o out
broken; echo '{' >bad/config.json
refused 1 nwcodec decompress bad -o out
absent out
