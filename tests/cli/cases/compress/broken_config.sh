tiny model
echo '{"model_type": "llama", ' >model/config.json
refused 1 nwcodec compress model -o out
echo '[]' >model/config.json
refused 1 nwcodec compress model -o out
printf '{"model_type": "\xff"}' >model/config.json
refused 1 nwcodec compress model -o out
rm model/config.json && mkdir model/config.json
refused 1 nwcodec compress model -o out
absent out
# Without any it is still a directory of weights.
rmdir model/config.json
quietly nwcodec compress model -o out
absent out/config.json
