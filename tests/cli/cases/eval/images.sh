# An encoder: a codec of its own, Hessians from images and texts, errors of embeddings.
FIXTURES=${NWCODEC_FIXTURES:-$SOURCE/../shared/fixtures}
if [ ! -d "$FIXTURES/clip" ]; then skip "no fixtures in $FIXTURES"; fi
cp -r "$FIXTURES/clip" clip
mv clip/expected.safetensors inputs.safetensors
quietly nwcodec train clip --from "$SOURCE/codecs/fast-100.safetensors" -o own.safetensors --steps 20 --quiet --seed 1
nwcodec calibrate --no-gradients clip --images inputs.safetensors -o hessians
nwcodec compress clip -o small --codec own.safetensors --hessians hessians --json --quiet |
  check_json /tensors/23/weighted_error
nwcodec eval small --images inputs.safetensors --reference clip
nwcodec eval clip --images inputs.safetensors --reference clip --json |
  check_json /images/relative_error=0.0 /images/count=2 /texts/count=3 /labels=3 /label_agreement=1.0
cp -r "$FIXTURES/dinov2" dino
mv dino/expected.safetensors dino.safetensors
nwcodec eval dino --images dino.safetensors --reference dino --json |
  check_json /texts=null /label_agreement=null /images/count=2
refused 2 nwcodec eval small --images inputs.safetensors
refused 2 nwcodec eval small --images inputs.safetensors --text "$DEMO_TEXT" --reference clip
refused 1 nwcodec eval small --images nowhere.safetensors --reference clip
refused 1 nwcodec eval small --images clip/model.safetensors --reference clip
refused 1 nwcodec eval small --images inputs.safetensors --reference dino
refused 1 nwcodec eval "$DEMO" --images inputs.safetensors --reference "$DEMO"
refused 1 nwcodec calibrate "$DEMO" --images inputs.safetensors -o other
refused 2 nwcodec calibrate clip --images inputs.safetensors --text "$DEMO_TEXT" -o other
refused 2 nwcodec calibrate clip --images inputs.safetensors --length 7 -o other
refused 1 nwcodec calibrate clip --text "$DEMO_TEXT" -o other
absent other
