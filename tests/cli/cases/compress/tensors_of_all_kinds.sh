# Other dtypes, columns of zeros, weights of another size: everything comes back in its own shape and dtype.
for dtype in F32 F16 BF16; do
  tiny $dtype --dtype $dtype --zero-columns 8 --hidden 40 --intermediate 24
  quietly nwcodec compress $dtype -o $dtype.nwc --tile-chunks 32
  quietly nwcodec inspect --verify $dtype.nwc
  quietly nwcodec decompress $dtype.nwc -o $dtype.plain
  headers() { head -c $(($(od -An -tu8 -N 8 "$1/model.safetensors") + 8)) "$1/model.safetensors" | tail -c +9; }
  diff <(headers $dtype) <(headers $dtype.plain)
done
