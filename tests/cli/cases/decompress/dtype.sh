tiny model
quietly nwcodec compress model -o out
quietly nwcodec decompress out -o f32 --dtype f32
quietly nwcodec decompress out -o f16 --dtype F16
quietly nwcodec decompress out -o bf16 --dtype BF16
quietly nwcodec decompress out -o plain
same bf16 plain
for dtype in F32 F16 BF16; do
  directory=${dtype,,}
  used=$(head -c 2000 $directory/model.safetensors | grep -ao '"dtype":"[A-Z0-9]*"' | sort -u)
  [ "$used" = "\"dtype\":\"$dtype\"" ] || fail "$directory has $used"
done
