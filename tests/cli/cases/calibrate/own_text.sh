# The model writes its own calibration: the same text whatever the threads, without a tokenizer, and beside files.
own="--sequences 4 --length 32 --seed 3"
nwcodec calibrate "$DEMO" --text self -o hessians $own --threads 1
quietly nwcodec calibrate "$DEMO" --text self -o again $own --threads 3 --no-gradients --quiet
cmp <(tail -c 512 hessians/sequences.safetensors) <(tail -c 512 again/sequences.safetensors)
mkdir bare
cp "$DEMO"/config.json "$DEMO"/model.safetensors bare
quietly nwcodec calibrate bare --text self -o bare_hessians $own --threads 1 --quiet
same hessians bare_hessians
nwcodec calibrate "$DEMO" --text self "$DEMO_TEXT" -o both $own --threads 1
# A file of that name is ./self.
head -c 1000 "$DEMO_TEXT" >self
nwcodec calibrate "$DEMO" --text ./self -o file --sequences 1 --length 32 --threads 1
# What cannot write.
mkdir encoder
sed 's/"llama"/"clip"/' "$DEMO/config.json" >encoder/config.json
cp "$DEMO/model.safetensors" encoder
refused 1 nwcodec calibrate encoder --text self -o none --quiet
refused 1 nwcodec calibrate "$DEMO" --text self self -o none --quiet
absent none
# Interrupted while it writes: nothing is left.
"$NWCODEC" calibrate "$DEMO" --text self -o none --sequences 64 --length 2048 --threads 1 --quiet 2>message &
pid=$!
await 60 test -e none
sleep 0.5
kill -s INT $pid
code=0
wait $pid || code=$?
[ $code -eq 1 ] || fail "exit code $code"
grep -q '^nwcodec: interrupted' message || fail "$(cat message)"
absent none
