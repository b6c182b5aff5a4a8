# Two processes write what one writes, with and without recovery, and share the work.
needs_mpi
export OPENBLAS_NUM_THREADS=1
ranks() { launch -n 2 "$NWCODEC" "$@" --threads 1; }
tiny model --hidden 128 --layers 6 --shards 2
quietly nwcodec compress model -o one
ranks compress model -o two --json >report
check_json /blocks_from_earlier_run=0 /tensors/41/name <report
same one two
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 4 --length 64 --threads 1
arguments=(--bits 2.4 --hessians hessians --recover --recover-sequences 4 --recover-epochs 1)
quietly nwcodec compress "$DEMO" -o recovered --threads 2 "${arguments[@]}"
ranks compress "$DEMO" -o together "${arguments[@]}" >/dev/null
same recovered together
