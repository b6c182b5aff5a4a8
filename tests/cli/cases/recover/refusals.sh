# What recovery needs, and where it is off.
refused 2 nwcodec compress "$DEMO" -o out --recover
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 2 --length 32 --threads 1
mv hessians/sequences.safetensors aside
refused 1 nwcodec compress "$DEMO" -o out --hessians hessians --recover
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --force \
  --sequences 2 --length 32 --threads 1
cmp hessians/sequences.safetensors aside
mkdir model
cp "$DEMO"/* model
sed -i 's/"model_type": *"[a-z_0-9]*"/"model_type": "bert"/' model/config.json
refused 1 nwcodec compress model -o out --hessians hessians --recover
absent out
