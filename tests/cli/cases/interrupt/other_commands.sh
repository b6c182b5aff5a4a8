# Generation, which holds no file, stops at a signal too.
stop() {
  local pid code=0
  "$NWCODEC" "$@" >/dev/null 2>message &
  pid=$!
  await 60 handles_interrupt $pid
  sleep 0.2
  kill -s INT $pid 2>/dev/null || fail "already over: $*"
  wait $pid || code=$?
  cat message >&2
  [ $code -eq 1 ] || fail "exit code $code: $*"
}
stop generate "$DEMO" --prompt "The" --max-new-tokens 2000 --temperature 1 --json
