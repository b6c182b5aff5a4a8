# Texts that the tokenizer cuts into bytes: measured, with a warning that says how much.
for _ in 1 2 3 4 5 6 7 8; do printf '你好世界。今天天气很好，我们去公园散步。'; done >chinese.txt
printf 'Plain words in English, and plain words again. %.0s' 1 2 3 4 5 6 7 8 9 >english.txt
sed 's/./&\x00/g' english.txt >utf16.txt
nwcodec eval "$DEMO" --text english.txt --context 32 --windows 1 --threads 1 --quiet >/dev/null
nwcodec eval "$DEMO" --text chinese.txt --context 32 --windows 1 --threads 1 >/dev/null
nwcodec eval "$DEMO" --text utf16.txt --context 32 --windows 1 --threads 1 >/dev/null
nwcodec calibrate "$DEMO" --text chinese.txt english.txt -o hessians --sequences 1 --length 16 --no-gradients \
  --threads 1 >/dev/null
nwcodec compress "$DEMO" --text chinese.txt -o small --bits 3 --sequences 1 --length 32 --threads 1 >/dev/null
