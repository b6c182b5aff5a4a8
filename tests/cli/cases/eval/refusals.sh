cp -r "$DEMO" model
refused 1 nwcodec eval nowhere --text "$DEMO_TEXT"
refused 1 nwcodec eval model --text nowhere.txt
refused 1 nwcodec eval model --text model
echo "A short text." >short.txt
refused 1 nwcodec eval model --text short.txt --context 128
: >empty.txt
refused 1 nwcodec eval model --text empty.txt --context 128
printf 'broken \xff\xfe text' >bytes.txt
refused 1 nwcodec eval model --text bytes.txt --context 128
refused 1 nwcodec eval model --text "$DEMO_TEXT" --reference nowhere --context 128
tiny other
refused 1 nwcodec eval model --text "$DEMO_TEXT" --reference other --context 128
mv model/tokenizer.json tokenizer.json
refused 1 nwcodec eval model --text "$DEMO_TEXT"
head -c 1000 tokenizer.json >model/tokenizer.json
refused 1 nwcodec eval model --text "$DEMO_TEXT"
echo '{}' >model/tokenizer.json
refused 1 nwcodec eval model --text "$DEMO_TEXT"
cp tokenizer.json model
mv model/config.json config.json
refused 1 nwcodec eval model --text "$DEMO_TEXT"
sed 's/"llama"/"strange"/' config.json >model/config.json
refused 1 nwcodec eval model --text "$DEMO_TEXT"
sed 's/"hidden_size": 256/"hidden_size": 512/' config.json >model/config.json
refused 1 nwcodec eval model --text "$DEMO_TEXT" --context 128
sed 's/"num_hidden_layers": 6/"num_hidden_layers": 7/' config.json >model/config.json
refused 1 nwcodec eval model --text "$DEMO_TEXT" --context 128
