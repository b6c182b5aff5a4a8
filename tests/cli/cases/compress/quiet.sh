# Warnings go to stderr, --quiet drops them; progress is for terminals only.
tiny model
echo "old weights" >model/pytorch_model.bin
nwcodec compress model -o out >/dev/null
quietly nwcodec compress model -o out2 --quiet
same out out2
absent out/pytorch_model.bin
