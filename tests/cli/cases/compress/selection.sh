tiny model
refused 1 nwcodec compress model -o out --include '('
refused 1 nwcodec compress model -o out --exclude 'a{2,1}'
refused 1 nwcodec compress model -o out --exclude '['
absent out
nwcodec compress model -o out --exclude '\.mlp\.' --exclude 'layers\.1' --include '^model\.embed' --json >json
check_json /tensors/4/name <json
sed -n 's/^ *"name": //p' json
