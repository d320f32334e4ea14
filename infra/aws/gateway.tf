# Workers reach the gateways by a name inside the VPC, whatever the load balancer is
# for.
resource "aws_service_discovery_private_dns_namespace" "this" {
  name = "${var.name}.internal"
  vpc  = var.vpc_id
}

resource "aws_service_discovery_service" "gateway" {
  name = "gateway"
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this.id
    routing_policy = "MULTIVALUE"
    dns_records {
      type = "A"
      ttl  = 10
    }
  }
  # ECS says which tasks are there.
  health_check_custom_config {
    failure_threshold = 1 # AWS knows no other, and says so only where it is named
  }
}

locals {
  inner_url = "http://${aws_service_discovery_service.gateway.name}.${aws_service_discovery_private_dns_namespace.this.name}:${local.api_port}"
}

resource "aws_ecs_task_definition" "gateway" {
  count                    = local.started ? 1 : 0
  family                   = "${var.name}-gateway"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.gateway_size.cpu
  memory                   = var.gateway_size.memory
  execution_role_arn       = aws_iam_role.execution["gateway"].arn
  task_role_arn            = aws_iam_role.gateway.arn
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }
  container_definitions = jsonencode([{
    name      = "gateway"
    image     = var.image
    essential = true
    command = [
      "gateway",
      "--nats-url=${local.nats_url}",
      "--listen=0.0.0.0:${local.api_port}",
      "--drain=15s",
    ]
    secrets = [
      { name = "MULTINODE_API_KEY", valueFrom = aws_secretsmanager_secret.api_key.arn },
      { name = "MULTINODE_NATS_CREDS_TEXT", valueFrom = aws_secretsmanager_secret.control_plane.arn },
    ]
    portMappings = [{ containerPort = local.api_port, protocol = "tcp" }]
    ulimits      = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    stopTimeout  = 90
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.control_plane.name
        awslogs-region        = data.aws_region.current.region
        awslogs-stream-prefix = "gateway"
      }
    }
  }])
}

resource "aws_ecs_service" "gateway" {
  count                             = local.started ? 1 : 0
  name                              = "${var.name}-gateway"
  cluster                           = aws_ecs_cluster.this.id
  task_definition                   = aws_ecs_task_definition.gateway[0].arn
  desired_count                     = var.gateways
  launch_type                       = "FARGATE"
  propagate_tags                    = "SERVICE"
  health_check_grace_period_seconds = 120
  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.gateway.id]
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.gateway.arn
    container_name   = "gateway"
    container_port   = local.api_port
  }
  service_registries {
    registry_arn = aws_service_discovery_service.gateway.arn
  }
  depends_on = [aws_lb_listener.api, aws_iam_role_policy.execution, aws_volume_attachment.nats]
}
