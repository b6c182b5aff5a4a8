# Every option that is a number has a range; exit code 2 names the option.
compress="nwcodec compress model -o out --hessians h"
refused 2 $compress --shares=-0.5
refused 2 $compress --shares nan
refused 2 $compress --shares 0.6 0.5
refused 2 $compress --damping 2
refused 2 $compress --damping nan
refused 2 $compress --block-size 0
refused 2 $compress --run-groups 0
refused 2 $compress --recover --recover-batch 0
refused 2 $compress --recover --recover-length=-1
refused 2 $compress --recover --recover-rate inf
refused 2 $compress --recover --recover-sequences 1
refused 2 $compress --seed=-1
refused 2 $compress --seed 18446744073709551616
refused 2 nwcodec compress model -o out --bits nan
refused 2 nwcodec compress model -o out --level 8
refused 2 nwcodec calibrate model --text t -o out --sequences 0
refused 2 nwcodec calibrate model --text t -o out --length 99999999
refused 2 nwcodec calibrate model --text t -o out --seed 1x
refused 2 nwcodec eval model --text t --windows=-1
refused 2 nwcodec generate model --prompt p --temperature nan
refused 2 nwcodec generate model --prompt p --top-k=-1
refused 2 nwcodec generate model --prompt p --seed 0x10
refused 2 nwcodec train model -o out --level-coefficients 0
refused 2 nwcodec train model -o out --synthesis-depth 65
refused 2 nwcodec train model -o out --analysis-width 0
refused 2 nwcodec train model -o out --batch 0
refused 2 nwcodec train model -o out --steps 0
refused 2 nwcodec train model -o out --heavy-share 1
refused 2 nwcodec train model -o out --auxiliary-learning-rate 2
refused 2 nwcodec study rate-distortion -o out --trellis-samples=-1
refused 2 nwcodec study statistics model -o out --rows 15
refused 2 nwcodec study fixed-length model -o out --lambdas=-1
refused 2 nwcodec study ablation model -o out --bits 0.1
absent out
