tiny model --hidden 256 --layers 16 --shards 16
quietly nwcodec compress model -o out
quietly nwcodec decompress out -o wanted
"$NWCODEC" decompress out -o plain --threads 1 >/dev/null 2>message &
pid=$!
await 60 test -e plain/model-00001-of-00016.safetensors
kill -s INT $pid
code=0
wait $pid || code=$?
if [ $code -eq 0 ]; then skip "the run was over before the signal came"; fi
cat message >&2
[ $code -eq 1 ] || fail "exit code $code"
if find plain -name '*.partial' | grep .; then fail "a half file is left"; fi
refused 1 nwcodec decompress out -o plain --dtype F32
quietly nwcodec decompress out -o plain
same plain wanted
