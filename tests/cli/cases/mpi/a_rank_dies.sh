# A rank that is killed takes the others with it within seconds; the same command goes on from the complete blocks.
needs_mpi
tiny model --hidden 384 --layers 12
quietly nwcodec compress model -o wanted
mpirun --oversubscribe --bind-to none -n 2 bash -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec "$@"' \
  - "$NWCODEC" compress model -o out --threads 1 --quiet >/dev/null 2>message &
launcher=$!
await 60 test -e out/.nwcodec/part-00002.safetensors
kill -s KILL "$(cat pid.1)" || fail "over before the kill"
killed=$SECONDS
code=0
wait $launcher || code=$?
[ $code -ne 0 ] || fail "mpirun did not notice"
[ $((SECONDS - killed)) -le 15 ] || fail "$((SECONDS - killed)) seconds until the others stopped"
# Gone, or dead and not yet collected by whoever inherited it.
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
for pid in pid.0 pid.1; do await 10 gone "$(cat $pid)"; done
absent out/model.safetensors
nwcodec compress model -o out --json >report
grep -q '"blocks_from_earlier_run": [3-9]' report || fail "$(grep blocks_from report)"
same out wanted
