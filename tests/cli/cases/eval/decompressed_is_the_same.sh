# A compressed checkpoint scores like what decompress makes of it, unrounded.
quietly nwcodec compress "$DEMO" -o out
quietly nwcodec decompress out -o plain --dtype F32
for checkpoint in out plain; do
  nwcodec eval $checkpoint --text "$DEMO_TEXT" --context 128 --windows 1 --threads 1 >$checkpoint.txt
done
diff out.txt plain.txt
nwcodec generate out --prompt "The history" --max-new-tokens 8 --threads 1 >out.txt
nwcodec generate plain --prompt "The history" --max-new-tokens 8 --threads 1 >plain.txt
diff out.txt plain.txt
