# Interrupted before anything is complete: nothing is left, not even the directory.
tiny model --hidden 768 --layers 2
"$NWCODEC" compress model -o out --threads 1 >/dev/null 2>message &
pid=$!
await 60 compgen -G "out/.nwcodec/.part-00000.safetensors.*.partial" >/dev/null
kill -s INT $pid
code=0
wait $pid || code=$?
cat message >&2
[ $code -eq 1 ] || fail "exit code $code"
absent out
