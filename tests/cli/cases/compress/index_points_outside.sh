# An index must not make the program read, or later write, outside the directory.
tiny model --shards 2
tiny outside --seed 2
outside=outside/model.safetensors
for target in "../$outside" "$PWD/$outside" .. . "x/../../$outside" ''; do
  tiny model --shards 2
  sed -i "s#\"model-00002-of-00002.safetensors\"#\"$target\"#" model/model.safetensors.index.json
  refused 1 nwcodec compress model -o out 2>&1 | sed "s#$PWD#PWD#" >&2
  absent out
done
