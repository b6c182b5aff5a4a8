# A decompressed checkpoint compresses again.
tiny model
quietly nwcodec compress model -o out
quietly nwcodec decompress out -o plain
quietly nwcodec compress plain -o again
quietly nwcodec inspect again --verify
