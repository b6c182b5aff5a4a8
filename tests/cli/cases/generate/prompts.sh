# An empty prompt, one that is no UTF-8, no new tokens, bad sampling options.
nwcodec generate "$DEMO" --json --max-new-tokens 2 --prompt $'\xff\xfe' | check_json '/prompt="\ufffd\ufffd"' /text
refused 2 nwcodec generate "$DEMO" --json --prompt x --temperature -1
refused 2 nwcodec generate "$DEMO" --json --prompt x --temperature nan
refused 2 nwcodec generate "$DEMO" --json --prompt x --top-k -5
nwcodec generate "$DEMO" --max-new-tokens 0 --prompt "Nothing more"
refused 1 nwcodec generate "$DEMO" --max-new-tokens 2 --prompt "" --json
