# An error of one rank ends all; its message names the rank and the item.
needs_mpi
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o hessians --sequences 2 --length 32 --threads 1
tiny model --hidden 128 --layers 4
code=0
launch -n 2 "$NWCODEC" compress model -o out --hessians hessians --threads 1 --quiet \
  >stdout 2>message || code=$?
[ $code -ne 0 ] || fail "Hessians of another model were taken"
said="^nwcodec: rank [01]: .*tensor 'model.layers.[0-9].*has the Hessian of other weights; calibrate this model"
grep -q "$said" message || { cat message; fail "no message that says where"; }
