# Ctrl-C and SIGTERM: exit code 1, a message, only whole files under their names; the same command goes on from there.
tiny model --hidden 256 --layers 12 --shards 6
quietly nwcodec compress model -o wanted --threads 1
for signal in INT TERM; do
  "$NWCODEC" compress model -o out --threads 1 >/dev/null 2>message &
  pid=$!
  await 60 test -e out/.nwcodec/part-00002.safetensors
  kill -s $signal $pid
  code=0
  wait $pid || code=$?
  cat message >&2
  [ $code -eq 1 ] || fail "exit code $code after SIG$signal"
  absent out/.nwcodec/part-00011.safetensors
  if find out -name '*.partial' | grep .; then fail "a half file is left"; fi
  "$TOOLS/verify_shards" out/.nwcodec >/dev/null
  # Other arguments are another run.
  refused 1 nwcodec compress model -o out --threads 1 --codec-tables-only
  nwcodec compress model -o out --threads 1 --json | check_json /blocks_from_earlier_run 2>&1
  same out wanted
  rm -r out
done
