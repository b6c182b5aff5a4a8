# Multiple-choice tasks: accuracies, paired differences, each item's log-likelihoods; compressed checkpoints alike.
DATA=$SOURCE/tests/data/zeroshot
quietly nwcodec compress "$DEMO" -o out
nwcodec eval "$DEMO" --tasks "$DATA/harbour.jsonl" --threads 1
nwcodec eval out --tasks "$DATA/harbour.jsonl" "$DATA/pronouns.jsonl" --reference "$DEMO" --items items.jsonl
[ "$(wc -l <items.jsonl)" -eq 13 ] || fail "not 13 lines"
head -1 items.jsonl | check_json '/task="harbour"' /line=1 /label=0 /log_likelihoods/3 /reference_log_likelihoods/3
nwcodec eval "$DEMO" --tasks "$DATA/harbour.jsonl" "$DATA/pronouns.jsonl" --limit 2 --json --quiet \
  --reference "$DEMO" | check_json '/protocol="lm-evaluation-harness"' '/tasks/0/task="harbour"' /tasks/0/items=2 \
  /tasks/0/truncated=0 /tasks/0/acc/value=0.5 /tasks/0/acc/standard_error=0.5 /tasks/0/acc/difference/value=0.0 \
  /tasks/0/acc_norm/reference/value=0.5 /tasks/0/same_choice=1.0 /tasks/1/items=2 /average/acc/difference/value=0.0
nwcodec eval "$DEMO" --tasks "$DATA/pronouns.jsonl" --limit 1 --json --quiet |
  check_json /tasks/0/acc/standard_error=null /tasks/0/items=1
# The same command gives the same bytes.
for run in one two; do
  nwcodec eval "$DEMO" --tasks "$DATA/harbour.jsonl" --items $run.jsonl --threads 1 --quiet >$run.txt
done
diff one.jsonl two.jsonl
diff one.txt two.txt
