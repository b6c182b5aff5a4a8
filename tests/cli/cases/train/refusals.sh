tiny model
small="--steps 2 --batch 64 --synthesis-width 8 --synthesis-depth 0 --analysis-width 8 --analysis-depth 0"
echo precious >codec.safetensors
refused 1 nwcodec train model -o codec.safetensors $small
[ "$(cat codec.safetensors)" = precious ]
refused 1 nwcodec train nowhere -o new.safetensors $small
refused 1 nwcodec train model -o no/such/folder/new.safetensors $small
refused 1 nwcodec train model -o new.safetensors $small --exclude .
refused 1 nwcodec train model -o new.safetensors $small --include '*'
refused 1 nwcodec train model -o new.safetensors $small --resume
refused 2 nwcodec train model -o new.safetensors $small --lambda nan
refused 2 nwcodec train model -o new.safetensors $small --chunk 0
refused 2 nwcodec train model -o new.safetensors $small --learning-rate=-1
refused 2 nwcodec train model -o new.safetensors $small --max-chunks 0
refused 1 nwcodec train model -o new.safetensors $small --max-chunks 1
refused 1 nwcodec train model -o new.safetensors $small --from codec.safetensors
tiny nan --nan model.layers.0.mlp.up_proj.weight
refused 1 nwcodec train nan -o new.safetensors $small
echo "no state" >new.safetensors.training
refused 1 nwcodec train model -o new.safetensors $small --resume
absent new.safetensors no
quietly nwcodec train model -o codec.safetensors $small --force --quiet
quietly nwcodec compress model -o out --codec codec.safetensors
