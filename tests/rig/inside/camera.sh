#!/bin/sh
# Inside the machine: the kernel's own camera and what stands before it. vivid's output is what its input sees.
#
#   camera.sh on                       let the input see the output
#   camera.sh show FILE SECONDS    one picture, 640x480 BGR3, for so long. Both ends must have one format.
set -eu
tools=$(cd "$(dirname "$0")/../../.." && pwd)
node() { grep -l "vivid-000-vid-$1" /sys/class/video4linux/*/name | sed 's#.*/\(video[0-9]*\)/name#/dev/\1#'; }
v4l() { LD_LIBRARY_PATH=$tools/lib "$tools/v4l2-ctl" "$@"; }
see=$(node cap) show=$(node out)

case $1 in
    on)
        v4l -d "$see" -l | sed -n 's/^ *\([a-z0-9_]*is_connected_to\).*max=\([0-9]*\).*/\1=\2/p' | while read -r control; do
            v4l -d "$see" -c "$control"
        done
        v4l -d "$see" -c osd_text_mode=2 # no words over the picture
        ;;
    show)
        v4l -d "$show" --set-fmt-video-out=width=640,height=480,pixelformat=BGR3
        timeout "$3" env LD_LIBRARY_PATH="$tools/lib" "$tools/v4l2-ctl" -d "$show" --stream-out-mmap=3 \
            --stream-from="$2" --stream-loop >/dev/null 2>&1 || [ $? -eq 124 ]
        ;;
esac
