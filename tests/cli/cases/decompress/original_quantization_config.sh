# A quantization_config of the original comes back.
tiny model
printf '{"model_type": "llama", "quantization_config": {"quant_method": "mine", "bits": 7}}' >model/config.json
quietly nwcodec compress model -o out
check_json '/quantization_config/quant_method="nwcodec"' /original_quantization_config/bits=7 <out/config.json
quietly nwcodec decompress out -o plain
check_json '/quantization_config={"quant_method":"mine","bits":7}' <plain/config.json
if grep original_ plain/config.json; then fail "a trace of compression is left"; fi
