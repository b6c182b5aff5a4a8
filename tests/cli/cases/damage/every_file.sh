# One flipped bit anywhere in the weights or the codec, and nothing is given out.
tiny model
quietly nwcodec compress model -o good
broken() { rm -rf bad && cp -r good bad; }
header=$(($(od -An -tu8 -N 8 good/model.safetensors) + 8))

broken; flip bad/model.safetensors -40 # the last stream
refused 1 nwcodec inspect bad --verify
refused 1 nwcodec decompress bad -o out
broken; flip bad/model.safetensors $((header + 4)) # the checksum of the first tensor
refused 1 nwcodec inspect bad --verify
refused 1 nwcodec decompress bad -o out
broken; flip bad/model.safetensors $((header + 272)) # the checksum of the header, last of 35
refused 1 nwcodec inspect bad
refused 1 nwcodec decompress bad -o out
broken; flip bad/model.safetensors $((header + 300)) # the first tensor
refused 1 nwcodec inspect bad --verify
refused 1 nwcodec decompress bad -o out
broken; flip bad/model.safetensors 50 # the header
refused 1 nwcodec decompress bad -o out
broken; flip bad/model.safetensors 3 # the length of the header
refused 1 nwcodec decompress bad -o out
broken; flip bad/codec.safetensors -40
refused 1 nwcodec inspect bad
refused 1 nwcodec decompress bad -o out
broken; flip bad/codec.safetensors 60
refused 1 nwcodec decompress bad -o out
absent out

# A stream's checksum stands twice: in its own header and tiles, which is what decoding checks, and in the file, for
# tools that know nothing of streams. Damage to the latter harms no weight.
broken; flip bad/model.safetensors $((header + 260))
refused 1 nwcodec inspect bad --verify
quietly nwcodec decompress bad -o out
quietly nwcodec decompress good -o wanted
same out wanted
