# Without data: calibrated on the model's own text, measured on what calibration has not seen of it.
nwcodec compress "$DEMO" --text self -o small --bits 3 --sequences 11 --length 32 --threads 1
nwcodec compress "$DEMO" --text self -o json --bits 3 --sequences 11 --length 32 --threads 1 --quiet --json >small.json
check_json <small.json /held_out/own_text=true /held_out/windows=1 /held_out/kl_divergence /held_out/perplexity
same small json
