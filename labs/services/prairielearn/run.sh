#!/bin/sh
# The entrypoint of a question's external grading, in a container for each submission
# whose image has what make build/tools-grade installs. This directory lies in the
# course's serverFilesCourse.
here=$(dirname "$0")
results=/grade/results/results.json
cd "$here/threshold" || exit 1
rm -f build/grade.json "$results"
CONFINE=container SUBMISSION=/grade/student /usr/bin/python3 grade/grade.py \
    --lab "$(cat ../lab)"
/usr/bin/python3 grade/grade.py --format prairielearn > build/results.json || exit 1
mkdir -p "${results%/*}"
mv build/results.json "$results"
