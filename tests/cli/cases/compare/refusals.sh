quietly nwcodec compress "$DEMO" -o small
tiny other
quietly nwcodec compress other -o foreign
quietly nwcodec decompress small -o plain
cp -r small tuned
sed -i 's/"rms_norm_eps": [^,]*/"rms_norm_eps": 0.5/' tuned/config.json
refused 2 nwcodec compare
refused 2 nwcodec compare small --text "$DEMO_TEXT"
refused 2 nwcodec compare small --context 128
refused 2 nwcodec compare small --report page
refused 1 nwcodec compare small nowhere
refused 1 nwcodec compare small plain
refused 1 nwcodec compare small foreign
refused 1 nwcodec compare small tuned
refused 1 nwcodec compare small --reference other
refused 1 nwcodec compare small --reference "$DEMO" --text "$DEMO_TEXT"
