quietly nwcodec compress "$DEMO" -o out
nwcodec eval "$DEMO" --text "$DEMO_TEXT" --context 128 --windows 2
nwcodec eval out --text "$DEMO_TEXT" --context 128 --windows 2 --reference "$DEMO"
nwcodec eval "$DEMO" --text "$DEMO_TEXT" --context 128 --windows 2 --json |
  check_json '/protocol="gptq"' /context=128 /windows=2 /perplexity /tokens
nwcodec eval out --text "$DEMO_TEXT" --context 128 --windows 2 --reference "$DEMO" --json --quiet |
  check_json /kl_divergence /top1_agreement /reference_perplexity /kl_divergence_maximum
