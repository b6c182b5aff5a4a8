# A directory inside the checkpoint is not copied into itself.
tiny model
mkdir model/templates
echo text >model/templates/chat.txt
quietly nwcodec compress model -o model/small
(cd model/small && find . -type f | sort)
