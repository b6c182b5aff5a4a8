# Texts and tasks: what a comparison says of a checkpoint is what eval says of it, though the original ran only once.
DATA=$SOURCE/tests/data/zeroshot
TASKS=("$DATA/harbour.jsonl" "$DATA/pronouns.jsonl")
nwcodec study compare "$DEMO" --methods round-to-nearest,round-to-nearest:group=0 --bits 2 -o out --keep --quiet \
  --text "$DEMO_TEXT" --context 128 --windows 2 --tasks "${TASKS[@]}" --limit 4 >table
says '^the original on 2 tasks: acc ' <table || fail "no average of the original"
for method in round-to-nearest round-to-nearest-group=0; do
  candidate=out/checkpoints/$method-2
  nwcodec eval $candidate --tasks "${TASKS[@]}" --limit 4 --reference "$DEMO" --json --quiet >tasks.json
  nwcodec eval $candidate --text "$DEMO_TEXT" --context 128 --windows 2 --reference "$DEMO" --json --quiet >text.json
  value() { grep -o "\"$2\": *[-0-9.e]*" "$1" | head -n 1 | sed 's/.*: *//'; }
  check_json "/texts/0/kl_divergence=$(value text.json kl_divergence)" \
    "/tasks/0/acc/value=$(value tasks.json value)" /tasks/1/acc_norm/difference/standard_error \
    /task_average/acc/difference/value <out/points/$method-2.json
done
head -n 2 out/compare.csv | tail -n 1 |
  says ',2,0\.[0-9]*,-\?[0-9.]*,0\.[0-9]*,0\.' || fail "no accuracies in the table"
# Points that were measured otherwise are refused.
refused 1 nwcodec study compare "$DEMO" --methods round-to-nearest --bits 2 -o out --quiet \
  --text "$DEMO_TEXT" --context 128 --windows 2 --tasks "${TASKS[@]}" --limit 3
refused 2 nwcodec study compare "$DEMO" --methods round-to-nearest --bits 2 -o other --limit 3
