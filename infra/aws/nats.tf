# Three NATS servers, one per zone. Volume and address of each outlive its instance:
# EC2 moves an instance from broken hardware by itself, and one that is gone is made
# again by `terraform apply`.

locals {
  nodes         = { for i, subnet in var.subnet_ids : tostring(i + 1) => subnet }
  nats_url      = join(",", [for n in sort(keys(local.nodes)) : "nats://${aws_network_interface.nats[n].private_ip}:4222"])
  nats_registry = split("/", aws_ecr_repository.control_plane.repository_url)[0]
}

data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

data "aws_subnet" "nats" {
  for_each = local.nodes
  id       = each.value
}

resource "aws_network_interface" "nats" {
  for_each        = local.nodes
  description     = "${var.name}-nats-${each.key}"
  subnet_id       = each.value
  security_groups = [aws_security_group.nats.id]
  tags            = { Name = "${var.name}-nats-${each.key}" }
}

resource "aws_ebs_volume" "nats" {
  for_each          = local.nodes
  availability_zone = data.aws_subnet.nats[each.key].availability_zone
  type              = "gp3"
  size              = var.nats_volume_gib
  encrypted         = true
  tags              = { Name = "${var.name}-nats-${each.key}" }
  lifecycle {
    prevent_destroy = true
  }
}

# Which image the servers start: they look at each start.
resource "aws_ssm_parameter" "nats_image" {
  count = local.started ? 1 : 0
  name  = local.image_parameter
  type  = "String"
  value = var.image
}

resource "aws_instance" "nats" {
  for_each             = local.started ? local.nodes : {}
  ami                  = data.aws_ssm_parameter.ami.value
  instance_type        = var.nats_instance_type
  iam_instance_profile = aws_iam_instance_profile.nats.name
  primary_network_interface {
    network_interface_id = aws_network_interface.nats[each.key].id
  }
  root_block_device {
    volume_type = "gp3"
    encrypted   = true
  }
  maintenance_options {
    auto_recovery = "default"
  }
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  user_data = join("\n", ["#cloud-config", jsonencode({
    write_files = [
      { path = "/usr/local/sbin/multinode-nats", permissions = "0755", content = file("${path.module}/nats/start.sh") },
      { path = "/etc/systemd/system/multinode-nats.service", content = file("${path.module}/nats/multinode-nats.service") },
      { path = "/etc/multinode-nats.env", content = join("", [
        "AWS_DEFAULT_REGION=${data.aws_region.current.region}\n",
        "DEVICE=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${replace(aws_ebs_volume.nats[each.key].id, "-", "")}\n",
        "SECRET=${aws_secretsmanager_secret.nats[each.key].name}\n",
        "IMAGE_PARAMETER=${aws_ssm_parameter.nats_image[0].name}\n",
        "REGISTRY=${local.nats_registry}\n",
      ]) },
    ]
    runcmd = [["systemctl", "enable", "--now", "multinode-nats.service"]]
  })])
  tags = { Name = "${var.name}-nats-${each.key}" }
  # A newer AMI or script would take down all three at once: docs/aws.md says how to
  # replace them one by one.
  lifecycle {
    ignore_changes = [ami, user_data]
  }
}

resource "aws_volume_attachment" "nats" {
  for_each                       = aws_instance.nats
  device_name                    = "/dev/sdf"
  instance_id                    = each.value.id
  volume_id                      = aws_ebs_volume.nats[each.key].id
  stop_instance_before_detaching = true
}

# Recovery is for broken hardware; a hung system is booted again.
resource "aws_cloudwatch_metric_alarm" "nats" {
  for_each            = aws_instance.nats
  alarm_name          = "${var.name}-nats-${each.key}-hangs"
  alarm_description   = "The system of a NATS server does not answer: it is booted again"
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_Instance"
  dimensions          = { InstanceId = each.value.id }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 3
  alarm_actions       = ["arn:${data.aws_partition.current.partition}:automate:${data.aws_region.current.region}:ec2:reboot"]
}
