# Perplexity by other protocols than GPTQ's.
nwcodec eval "$DEMO" --text "$DEMO_TEXT" --protocol llama.cpp
nwcodec eval "$DEMO" --text "$DEMO_TEXT" --protocol llama.cpp --context 128 --windows 2 --reference "$DEMO" --json |
  check_json '/protocol="llama.cpp"' /context=128 /windows=2 /kl_divergence=0.0
# C4: documents of JSON lines, joined by spaces.
printf '{"text": "The history of the town", "url": 1}\n{"text": "and of its harbour"}\n' >c4.jsonl
printf 'The history of the town and of its harbour' >joined.txt
for form in "--protocol c4 --text c4.jsonl" "--text joined.txt"; do
  nwcodec eval "$DEMO" $form --context 8 --quiet | tail -1
done >both.txt
[ "$(sort -u both.txt | wc -l)" -eq 1 ] || fail "$(cat both.txt)"
nwcodec eval "$DEMO" --protocol c4 --text c4.jsonl --context 8 --json --quiet | check_json '/protocol="c4"' /windows=1
refused 1 nwcodec eval "$DEMO" --protocol c4 --text "$DEMO_TEXT" --context 8
printf '{"url": 1}\n' >no_text.jsonl
refused 1 nwcodec eval "$DEMO" --protocol c4 --text no_text.jsonl --context 8
refused 2 nwcodec eval "$DEMO" --protocol c5 --text "$DEMO_TEXT"
refused 1 nwcodec eval "$DEMO" --protocol llama.cpp --text "$DEMO_TEXT" --context 3
