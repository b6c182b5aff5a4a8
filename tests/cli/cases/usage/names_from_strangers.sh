# Names of files and tensors cannot break a message into lines or send control sequences to the terminal.
refused 1 nwcodec compress $'no\nwhere\e[2J\x7f\xc2\x9b' -o out
mkdir model
header='{"model.layers.0.\u001b]0;x\u0007\u009b\n.weight":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,9]}}'
printf "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0%s12345678" "$header" >model/model.safetensors
refused 1 nwcodec compress model -o out
absent out
