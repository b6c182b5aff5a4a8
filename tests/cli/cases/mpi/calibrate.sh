# Processes share the sequences of a calibration, and write what one writes, with gradients and without; one goes on
# where several were killed.
needs_mpi
export OPENBLAS_NUM_THREADS=1
arguments=("$DEMO" --text "$DEMO_TEXT" --sequences 5 --length 64 --threads 1)
for kind in --gradients --no-gradients; do
  quietly nwcodec calibrate "${arguments[@]}" $kind -o one$kind
  for ranks in 2 3; do
    launch -n $ranks "$NWCODEC" calibrate "${arguments[@]}" $kind -o $ranks$kind >said.$ranks
    [ "$(wc -l <said.$ranks)" -eq 1 ] || fail "not one rank alone speaks: $(cat said.$ranks)"
    grep -q '^5 sequences, 320 tokens; .* Hessians of ' said.$ranks || fail "$(cat said.$ranks)"
    same one$kind $ranks$kind
  done
done

launch -n 2 bash -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK; exec "$@"' \
  - "$NWCODEC" calibrate "${arguments[@]}" -o killed --quiet >/dev/null 2>message &
launcher=$!
some_file() { ls killed/hessians-*.safetensors >/dev/null 2>&1; }
await 60 some_file
kill -s KILL "$(cat pid.1)" || fail "over before the kill"
wait $launcher && fail "mpirun did not notice"
quietly nwcodec calibrate "${arguments[@]}" -o killed
same one--gradients killed

# An error of one rank ends all, with its number: here each has a seed of its own.
code=0
launch -n 2 bash -c 'exec "$@" --seed $((7 + OMPI_COMM_WORLD_RANK))' - "$NWCODEC" calibrate "${arguments[@]}" -o other \
  >stdout 2>message || code=$?
[ $code -ne 0 ] || fail "ranks with other seeds were taken"
grep -q '^nwcodec: rank 1: rank 0 was started with seed 7, this run has 8; start all ranks with equal ' message ||
  fail "$(cat message)"
