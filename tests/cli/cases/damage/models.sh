# eval and generate read a damaged checkpoint no further than its damage.
quietly nwcodec compress "$DEMO" -o bad
flip bad/model.safetensors -4000
refused 1 nwcodec eval bad --text "$DEMO_TEXT" --context 64 --windows 1
code=0
nwcodec generate bad --prompt Once --json --max-new-tokens 2 || code=$?
[ "$code" -eq 1 ]
