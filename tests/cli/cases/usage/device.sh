# Every command that runs models or quantises takes a device, and refuses what is none or is not there before it does
# anything else.
refused 1 nwcodec eval "$DEMO" --text "$DEMO_TEXT" --device gpu
refused 1 nwcodec generate "$DEMO" --prompt x --device cuda:-1
refused 1 nwcodec calibrate "$DEMO" --text "$DEMO_TEXT" -o hessians --device cuda:4096
refused 1 nwcodec study ablation "$DEMO" --text "$DEMO_TEXT" -o study --device cuda:4096
absent hessians study
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 2 --length 32 \
  --threads 1 --device cpu
refused 1 nwcodec compress "$DEMO" -o out --hessians hessians --recover --device cuda:4096
refused 1 nwcodec compress "$DEMO" -o out --device cuda:4096
absent out
