tiny model --hidden 128
small="--steps 30 --batch 256 --synthesis-width 16 --synthesis-depth 1 --analysis-width 16 --analysis-depth 1"
small="$small --validate-every 10 --threads 1"
nwcodec train model -o codec.safetensors $small
absent codec.safetensors.training
nwcodec train model -o same.safetensors $small --json --quiet |
  check_json /validation_loss /levels/3/bits /training_chunks /validation_chunks
cmp codec.safetensors same.safetensors
nwcodec train model -o other.safetensors $small --quiet --seed 2 >/dev/null
if cmp -s codec.safetensors other.safetensors; then fail "the seed has no effect"; fi
# It can do what a codec is for.
quietly nwcodec compress model -o out --codec codec.safetensors
quietly nwcodec inspect out --verify
quietly nwcodec train model -o tuned.safetensors --from codec.safetensors --steps 3 --batch 256 --quiet
quietly nwcodec compress model -o tuned --codec tuned.safetensors
