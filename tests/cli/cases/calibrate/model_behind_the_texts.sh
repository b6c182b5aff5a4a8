# --text takes several files; a directory behind them is the model.
nwcodec calibrate --no-gradients --text "$DEMO_TEXT" "$DEMO" -o hessians --sequences 1 --length 8 --threads 1 >/dev/null
nwcodec eval --text "$DEMO_TEXT" "$DEMO" --context 8 --windows 1 --threads 1 >/dev/null
refused 2 nwcodec calibrate --text "$DEMO_TEXT" -o hessians
