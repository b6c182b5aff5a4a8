# A report beside the checkpoint changes nothing in it, and is there again for the same command.
nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 2 --length 128 --quiet >calibrated
nwcodec compress "$DEMO" -o plain --hessians hessians --quiet >plain.txt
nwcodec compress "$DEMO" -o small --hessians hessians --report report --quiet >small.txt
same plain small
check_json <report/report.json /bits_per_weight /nmse /hessian_weighted_error /stages/0/seconds \
  /tensors/0/hessian_weighted_error /tensors/0/diagonal_error_correlation /tensors/0/own_tables \
  /tensors/0/columns_per_level /tensors/0/patches '/model="demo"' '/options/--hessians="hessians"'
grep -q '<h2>Importance levels</h2>' report/report.html
nwcodec compress "$DEMO" -o other --quiet --report other-report >other.txt
check_json <other-report/report.json '/tensors/0/hessian_weighted_error=null' /tensors/0/nmse
