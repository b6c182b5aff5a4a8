# --force replaces the checkpoint and leaves alone what is none.
tiny model
tiny other --shards 2 --seed 2
quietly nwcodec compress model -o wanted
quietly nwcodec compress other -o out
echo precious >out/notes.txt
quietly nwcodec compress model -o out --force
[ "$(cat out/notes.txt)" = precious ]
rm out/notes.txt
same out wanted
quietly nwcodec decompress wanted -o plain
quietly nwcodec decompress wanted -o out --force
same out plain
# It does not make good what is wrong with the input: then nothing is lost.
sums out >before
tiny nan --nan model.layers.0.mlp.up_proj.weight
refused 1 nwcodec compress nan -o out --force
refused 1 nwcodec compress nowhere -o out --force
refused 1 nwcodec decompress model -o out --force
diff before <(sums out)
