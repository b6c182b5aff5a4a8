# While a text is tokenised, and while checksums are read, the first signal ends the program.
for i in $(seq 60); do cat "$DEMO_TEXT"; done >long.txt
for i in $(seq 5); do cat long.txt long.txt; done >longer.txt
"$NWCODEC" eval "$DEMO" --text longer.txt --threads 1 >/dev/null 2>message &
pid=$!
await 60 handles_interrupt $pid
sleep 0.2
kill -s INT $pid
code=0
wait $pid || code=$?
[ $code -eq 1 ] || fail "exit code $code"
grep -q '^nwcodec: interrupted' message || fail "$(cat message)"
