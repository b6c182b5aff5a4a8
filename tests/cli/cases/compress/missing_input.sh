refused 1 nwcodec compress nowhere -o out
mkdir empty
refused 1 nwcodec compress empty -o out
echo >file
refused 1 nwcodec compress file -o out
refused 1 nwcodec compress /dev/null -o out
mkdir bin && echo >bin/pytorch_model.bin
refused 1 nwcodec compress bin -o out
tiny model --shards 2
rm model/model-00002-of-00002.safetensors
refused 1 nwcodec compress model -o out
ln -s gone model/model-00002-of-00002.safetensors
refused 1 nwcodec compress model -o out
rm model/model-00002-of-00002.safetensors
mkdir model/model-00002-of-00002.safetensors
refused 1 nwcodec compress model -o out
absent out
