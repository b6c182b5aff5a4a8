refused 2 nwcodec calibrate
refused 2 nwcodec calibrate "$DEMO" -o h
refused 2 nwcodec calibrate "$DEMO" --text "$DEMO_TEXT"
refused 2 nwcodec calibrate "$DEMO" --text "$DEMO_TEXT" -o h --merge a b
refused 1 nwcodec calibrate nowhere --text "$DEMO_TEXT" -o h
refused 1 nwcodec calibrate "$DEMO" --text nowhere.txt -o h
echo "A short text." >short.txt
refused 1 nwcodec calibrate "$DEMO" --text short.txt -o h --length 128
cp -r "$DEMO" model
sed 's/"llama"/"strange"/' "$DEMO/config.json" >model/config.json
refused 1 nwcodec calibrate model --text "$DEMO_TEXT" -o h --length 128
rm -rf h
quietly nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o h --sequences 2 --length 64 --quiet
refused 1 nwcodec calibrate --no-gradients "$DEMO" --text "$DEMO_TEXT" -o h --sequences 3 --length 64 --quiet
tiny other
refused 1 nwcodec compress other -o c --hessians h
refused 1 nwcodec compress "$DEMO" -o c --hessians nowhere
refused 2 nwcodec compress "$DEMO" -o c --no-levels
refused 2 nwcodec compress "$DEMO" -o c --hessians h --damping 2
refused 1 nwcodec compress "$DEMO" -o c --hessians h --level 1
refused 1 nwcodec compress "$DEMO" -o c --hessians h --shares 0.1 0.1 0.1 0.1
refused 1 nwcodec compress "$DEMO" -o c --level 4
refused 1 nwcodec compress "$DEMO" -o c --hessians h --steps water-fill --normalisation row
truncate -s -9 h/hessians-00003.safetensors
refused 1 nwcodec compress "$DEMO" -o c --hessians h
test ! -e c
# A model without its tokenizer; an architecture that calibration does not know compresses without Hessians.
cp -r "$DEMO" bare
rm bare/tokenizer.json
refused 1 nwcodec calibrate bare --text "$DEMO_TEXT" -o other
quietly nwcodec compress model -o strange --quiet
