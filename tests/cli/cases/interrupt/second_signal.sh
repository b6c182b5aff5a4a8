# The second signal ends the program at once.
tiny model --hidden 768 --layers 2
"$NWCODEC" compress model -o out --threads 1 >/dev/null 2>message &
pid=$!
await 60 compgen -G "out/.nwcodec/.part-00000.safetensors.*.partial" >/dev/null
kill -s STOP $pid
kill -s INT $pid
kill -s CONT $pid
sleep 0.05
kill -s INT $pid 2>/dev/null || true
code=0
wait $pid || code=$?
[ $code -eq 130 ] || [ $code -eq 1 ] || fail "exit code $code"
if [ -e out/model.safetensors ]; then fail "a half file has its final name"; fi
# What it left does not hinder the next run.
quietly nwcodec compress model -o out
quietly nwcodec inspect out --verify
[ -z "$(find out -name '.*' -type f)" ] || fail "hidden files are left"
