# config.json as Python writes it, and every byte of it back.
tiny model
sed -i 's/^{$/{\n  "time_step_limit": [\n    0.0,\n    Infinity\n  ], "x": NaN,/' model/config.json
quietly nwcodec compress model -o out
grep -q '"quant_method": "nwcodec"' out/config.json
quietly nwcodec inspect out --verify
quietly nwcodec decompress out -o back
cmp model/config.json back/config.json
quietly nwcodec decompress out -o wide --dtype F32
grep -q '"torch_dtype": "float32"' wide/config.json
diff <(grep -v torch_dtype model/config.json) <(grep -v torch_dtype wide/config.json)
