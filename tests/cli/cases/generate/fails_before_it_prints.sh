# What fails prints nothing on standard output, the prompt neither.
cp -r "$DEMO" model
sed -i 's/"llama"/"strange"/' model/config.json
refused 1 nwcodec generate model --prompt "Once upon"
refused 1 nwcodec generate nowhere --prompt "Once upon"
nwcodec generate "$DEMO" --prompt "Once upon" --max-new-tokens 1 --threads 1 >text
grep -q "^Once upon" text || fail "the prompt is not printed"
