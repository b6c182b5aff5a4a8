quietly nwcodec compress "$DEMO" -o small --quiet
text=(--text "$DEMO_TEXT" --length 32 -o out)
refused 2 nwcodec polish small "${text[@]}"
refused 2 nwcodec polish --reference "$DEMO" "${text[@]}"
refused 2 nwcodec polish small --reference "$DEMO" -o out
refused 2 nwcodec polish small --reference "$DEMO" --text "$DEMO_TEXT"
refused 2 nwcodec polish small --reference "$DEMO" --text self -o out
refused 2 nwcodec polish small --reference "$DEMO" "${text[@]}" --steps 0
refused 2 nwcodec polish small --reference "$DEMO" "${text[@]}" --rate 2
refused 2 nwcodec polish small --reference "$DEMO" "${text[@]}" --growth -1
refused 2 nwcodec polish small --reference "$DEMO" "${text[@]}" --batch x
refused 1 nwcodec polish "$DEMO" --reference "$DEMO" "${text[@]}" --quiet
refused 1 nwcodec polish small --reference nowhere "${text[@]}" --quiet
refused 1 nwcodec polish small --reference "$DEMO" --text "$DEMO_TEXT" --length 4096 -o out --quiet
refused 1 nwcodec polish small --reference "$DEMO" --text "$DEMO_TEXT" --length 32 -o small --quiet
# An original of other shapes.
tiny other
cp "$DEMO/tokenizer.json" other
refused 1 nwcodec polish small --reference other "${text[@]}" --quiet
# A damaged input.
flip small/model.safetensors -100000
refused 1 nwcodec polish small --reference "$DEMO" "${text[@]}" --quiet
absent out
