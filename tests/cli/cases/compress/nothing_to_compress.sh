tiny narrow --hidden 8
refused 1 nwcodec compress narrow -o out
absent out
tiny model
refused 1 nwcodec compress model -o out --exclude . --bits 4
absent out
# Nothing left by the user's own wish: all weights as they are, checksums included.
nwcodec compress model -o out --exclude . >summary
nwcodec inspect out --verify >inspected
nwcodec decompress out -o back --quiet >decompressed
cmp model/model.safetensors back/model.safetensors
