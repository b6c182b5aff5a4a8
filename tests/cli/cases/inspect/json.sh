# The sums agree with the files on the disk.
tiny model --shards 2
quietly nwcodec compress model -o out
nwcodec inspect out --json >json
check_json /codec_id /weights=100352 /tensors/13/payload_bits_per_weight /plain_tensors=6 /plain_parameters=4416 \
  /file_bytes=$(cat out/*.safetensors | wc -c) /codec_bytes=$(stat -c %s out/codec.safetensors) /original_bytes=209536 \
  '/tensors/0/columns_per_level/0=176' <json
check_json "/quantization_config/codec_id=$(sed -n 's/^  "codec_id": \(.*\),$/\1/p' json)" <out/config.json
nwcodec inspect out --json --verify --threads 1 | cmp json -
