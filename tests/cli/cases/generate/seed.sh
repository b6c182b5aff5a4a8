# The same seed gives the same text, another one another.
sample() {
  nwcodec generate "$DEMO" --prompt "The city" --max-new-tokens 16 --temperature 1.2 --top-k 200 --threads 1 "$@"
}
sample --seed 7 >first
sample --seed 7 >second
sample --seed 8 >third
cmp first second
if cmp -s first third; then fail "two seeds gave the same text"; fi
