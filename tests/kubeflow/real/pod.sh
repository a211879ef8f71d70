#!/bin/sh
# Run a command in a root file system like a pod's: this machine's files as the image, and empty folders where a
# container has its own. Started by pod.py in mount and process namespaces of its own; nothing outlives the command.
# usage: pod.sh ROOT MOUNTS COMMAND ...    MOUNTS: lines of SOURCE, a tab, TARGET
set -eu
root=$1 mounts=$2
shift 2
mount -t tmpfs -o mode=755 pod "$root"
for path in /*; do
  name=${path#/}
  case $name in
    tmp | run | mnt | minio | s3 | gcs | kfp-launcher) continue ;;
  esac
  if [ -L "$path" ]; then
    cp -P "$path" "$root/$name"
  elif [ -d "$path" ]; then
    mkdir "$root/$name"
    mount --rbind "$path" "$root/$name"
  fi
done
mkdir -m 1777 "$root/tmp"
mkdir "$root/run" "$root/mnt" "$root/minio" "$root/s3" "$root/gcs" # emptyDir volumes of Kubeflow's pods
tab=$(printf '\t')
while IFS=$tab read -r source target; do
  if [ -d "$source" ]; then
    mkdir -p "$root$target"
  else
    mkdir -p "$root${target%/*}"
    : >"$root$target"
  fi
  mount --bind "$source" "$root$target"
done <"$mounts"
exec chroot "$root" "$@"
