# Small curves, the same for any number of threads.
nwcodec study rate-distortion -o one --samples 16384 --bits 2 --trellis-states 10 --trellis-samples 1024 \
  --codec fast-30 --threads 1
nwcodec study rate-distortion -o two --samples 16384 --bits 2 --trellis-states 10 --trellis-samples 1024 \
  --codec fast-30 --threads 2 --json |
  check_json '/points/0/method="sq"' /points/0/gap_to_gaussian_bound_db
same one two
head -n 1 one/rate-distortion.csv
