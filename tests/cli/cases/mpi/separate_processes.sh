# srun without PMIx starts processes that each think they are alone: one does the work, the others say what happened.
said='^nwcodec: out: is being written by .*; srun started 3 processes that do not know of each other'
tiny model --hidden 384 --layers 8
quietly nwcodec compress model -o wanted
pids=()
for rank in 0 1 2; do
  SLURM_STEP_ID=0 SLURM_PROCID=$rank SLURM_STEP_NUM_TASKS=3 SLURM_NTASKS=3 \
    "$NWCODEC" compress model -o out --threads 1 --quiet >/dev/null 2>message.$rank &
  pids+=($!)
done
good=0
for rank in 0 1 2; do
  if wait "${pids[rank]}"; then
    good=$((good + 1))
  else
    grep -q "$said" message.$rank || fail "$(cat message.$rank)"
  fi
done
[ $good -eq 1 ] || fail "$good of 3 succeeded"
same out wanted
