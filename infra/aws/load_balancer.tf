locals {
  secure = var.certificate_arn != ""
  public = length(var.public_subnet_ids) > 0
  url    = local.secure ? "https://${var.host != "" ? var.host : aws_lb.api.dns_name}" : "http://${aws_lb.api.dns_name}"
}

resource "aws_lb" "api" {
  name                       = "${var.name}-api"
  load_balancer_type         = "application"
  internal                   = !local.public
  subnets                    = local.public ? var.public_subnet_ids : var.subnet_ids
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  # Longer than a request may wait, shorter than gateways keep a silent connection.
  idle_timeout = 100
  lifecycle {
    precondition {
      condition     = local.secure || !local.public
      error_message = "A load balancer that the internet can reach needs a certificate: set certificate_arn."
    }
  }
}

resource "aws_lb_target_group" "gateway" {
  name                 = "${var.name}-gateway"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = local.api_port
  deregistration_delay = 30
  health_check {
    path                = "/ready"
    matcher             = "200"
    interval            = 5
    timeout             = 2
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "api" {
  load_balancer_arn = aws_lb.api.arn
  port              = local.client_port
  protocol          = local.secure ? "HTTPS" : "HTTP"
  certificate_arn   = local.secure ? var.certificate_arn : null
  ssl_policy        = local.secure ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}
