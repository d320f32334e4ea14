resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

resource "aws_cloudwatch_log_group" "control_plane" {
  name              = "/${var.name}/control-plane"
  retention_in_days = var.log_retention_days
}

# What runners print; the output of functions is in NATS as well.
resource "aws_cloudwatch_log_group" "workers" {
  name              = "/${var.name}/workers"
  retention_in_days = var.log_retention_days
}

locals {
  # Nothing runs before there is an image of it.
  started = var.image != ""
}
