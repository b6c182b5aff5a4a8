# Files are chosen as transformers chooses them, a single file before an index, and what is passed over is named.
tiny plain
nwcodec compress plain -o right >summary
tiny old --seed 2 --shards 2
cp -r plain model
cp old/model-0*.safetensors old/model.safetensors.index.json model
cp model/model.safetensors model/mtp.safetensors
nwcodec compress model -o out >summary
same out right
# An index whose shards are gone does not matter beside a single file.
rm model/model-0*.safetensors model/mtp.safetensors
nwcodec compress model -o out --force >summary
same out right
# Of a tensor in several shards the last one's is taken: here all of the second shard's.
tiny sharded --shards 2
nwcodec compress sharded -o right --force >summary
cp old/model-00002-of-00002.safetensors sharded/a.safetensors
sed -i 's/"model.layers.1.mlp.up_proj.weight": "[^"]*"/"model.layers.1.mlp.up_proj.weight": "a.safetensors"/' \
  sharded/model.safetensors.index.json
nwcodec compress sharded -o out --force >summary
same out right
