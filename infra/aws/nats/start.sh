#!/bin/bash
# Starts the NATS server of this instance, with the configuration and the image that
# are current: run by systemd again and again until all that it needs is there.
set -euo pipefail

store=/var/lib/nats
kept=/var/lib/multinode-nats # what AWS said last, for when it does not answer
user=65532 # of the image

if ! command -v docker >/dev/null; then
  dnf install -y -q docker
fi
systemctl start docker

# The volume is attached after the instance has started. A new one is empty; mkfs
# refuses to touch one that is not.
if [ ! -e "$DEVICE" ]; then
  echo "the volume $DEVICE is not attached yet"
  exit 1
fi
if ! mountpoint -q "$store"; then
  blkid "$DEVICE" >/dev/null || mkfs.xfs "$DEVICE"
  mkdir -p "$store"
  mount "$DEVICE" "$store"
fi
chown "$user:$user" "$store"

umask 077
mkdir -p "$kept"
config=$kept/nats.conf
if aws secretsmanager get-secret-value --secret-id "$SECRET" --query SecretString --output text >"$config.new"; then
  mv "$config.new" "$config"
fi
chown "$user:$user" "$config"
if aws ssm get-parameter --name "$IMAGE_PARAMETER" --query Parameter.Value --output text >"$kept/image.new"; then
  mv "$kept/image.new" "$kept/image"
fi
image=$(cat "$kept/image")
if ! docker image inspect "$image" >/dev/null 2>&1; then
  aws ecr get-login-password | docker login --username AWS --password-stdin "$REGISTRY"
  docker pull --quiet "$image"
fi

docker rm --force nats >/dev/null 2>&1 || true
exec docker run --rm --name nats --network host --read-only --cap-drop ALL --security-opt no-new-privileges \
  --volume "$store:$store" --volume "$config:/etc/nats.conf:ro" \
  --entrypoint /usr/local/bin/nats-server "$image" --config /etc/nats.conf
