# Interrupted and resumed: the same file as in one go.
tiny model --hidden 128
small="--batch 512 --synthesis-width 16 --synthesis-depth 1 --analysis-width 16 --analysis-depth 1"
small="$small --threads 1 --steps 400"
nwcodec train model -o wanted.safetensors $small --quiet >/dev/null
"$NWCODEC" train model -o codec.safetensors $small --quiet --save-every 40 >/dev/null 2>message &
pid=$!
await 60 test -e codec.safetensors.training/state
kill -s INT $pid
code=0
wait $pid || code=$?
cat message >&2
[ $code -eq 1 ] || fail "exit code $code"
absent codec.safetensors
refused 1 nwcodec train model -o codec.safetensors $small --resume --lambda 99
nwcodec train model -o codec.safetensors $small --quiet --resume >/dev/null
cmp codec.safetensors wanted.safetensors
absent codec.safetensors.training
