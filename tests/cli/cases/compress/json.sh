tiny model
nwcodec compress model -o out --json >json
check_json /tensors/13/name /tensors/13/shape /tensors/13/payload_bytes /tensors/13/nmse /schema=2 \
  /input_bytes /output_bytes \
  /blocks_from_earlier_run=0 '/warnings=[]' <json
# What it says is what lies on the disk.
check_json /output_bytes=$(cat out/*.safetensors | wc -c) <json
