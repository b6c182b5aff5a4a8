# Weights that stay compressed give the same text, in less memory.
nwcodec compress "$DEMO" -o out --quiet >/dev/null
nwcodec generate out --prompt "Once upon" --max-new-tokens 6 --json >decoded.json
nwcodec generate out --prompt "Once upon" --max-new-tokens 6 --resident compressed --json >compressed.json
check_json /text /tokens=6 /tokens_per_second /peak_memory_bytes <compressed.json
text() { grep -oE '"text": *"[^"]*"' "$1"; }
[ "$(text decoded.json)" = "$(text compressed.json)" ] || { cat decoded.json compressed.json; exit 1; }
refused 2 nwcodec generate out --prompt x --resident perhaps
