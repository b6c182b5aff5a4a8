quietly nwcodec compress "$DEMO" -o out
nwcodec generate "$DEMO" --prompt "The history of the city began" --max-new-tokens 12
nwcodec generate out --prompt "The history of the city began" --max-new-tokens 12
nwcodec generate out --prompt "Once" --max-new-tokens 4 --json | check_json '/prompt="Once"' /text
