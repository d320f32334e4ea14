locals {
  # Families of workers' task definitions begin with it, those of services do not.
  installation = "${var.name}-workers"
}

resource "aws_ecs_task_definition" "dispatcher" {
  count                    = local.started ? 1 : 0
  family                   = "${var.name}-dispatcher"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.dispatcher_size.cpu
  memory                   = var.dispatcher_size.memory
  execution_role_arn       = aws_iam_role.execution["dispatcher"].arn
  task_role_arn            = aws_iam_role.dispatcher.arn
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }
  container_definitions = jsonencode([{
    name      = "dispatcher"
    image     = var.image
    essential = true
    command = concat([
      "dispatcher",
      "--nats-url=${local.nats_url}",
      "--api-url=${local.inner_url}",
      "--retention=${var.retention}",
      "--provisioner=fargate",
      "--repository=${aws_ecr_repository.projects.repository_url}",
      "--fargate-cluster=${aws_ecs_cluster.this.arn}",
      "--fargate-installation=${local.installation}",
      "--fargate-subnets=${join(",", var.subnet_ids)}",
      "--fargate-security-groups=${aws_security_group.worker.id}",
      "--fargate-task-role=${aws_iam_role.worker.arn}",
      "--fargate-execution-role=${aws_iam_role.execution["worker"].arn}",
      "--fargate-log-group=${aws_cloudwatch_log_group.workers.name}",
      "--fargate-queue-url=${aws_sqs_queue.events.url}",
      # Of the 20 launches a second that the account has.
      "--fargate-launch-rate=${19.5 / var.dispatchers}",
      ],
      var.base_image != "" ? ["--base-image=${var.base_image}"] : [],
      var.architecture == "ARM64" ? ["--fargate-arm64"] : [],
      var.spot ? ["--fargate-spot"] : [],
    )
    environment = [{ name = "AWS_REGION", value = data.aws_region.current.region }]
    secrets = [
      { name = "MULTINODE_NATS_CREDS_TEXT", valueFrom = aws_secretsmanager_secret.control_plane.arn },
      { name = "MULTINODE_AUTHORITY_TEXT", valueFrom = aws_secretsmanager_secret.authority.arn },
    ]
    ulimits     = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    stopTimeout = 60
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.control_plane.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = "dispatcher"
      }
    }
  }])
}

resource "aws_ecs_service" "dispatcher" {
  count           = local.started ? 1 : 0
  name            = "${var.name}-dispatcher"
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.dispatcher[0].arn
  desired_count   = var.dispatchers
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"
  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.dispatcher.id]
  }
  depends_on = [
    aws_iam_role_policy.execution,
    aws_iam_role_policy.dispatcher,
    aws_ecs_cluster_capacity_providers.this,
    aws_volume_attachment.nats,
  ]
}
