resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "Multinode: where clients reach the API"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "gateway" {
  name        = "${var.name}-gateway"
  description = "Multinode: gateways"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "dispatcher" {
  name        = "${var.name}-dispatcher"
  description = "Multinode: dispatchers"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "nats" {
  name        = "${var.name}-nats"
  description = "Multinode: NATS servers"
  vpc_id      = var.vpc_id
}

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Multinode: workers, which run the functions' own code"
  vpc_id      = var.vpc_id
}

locals {
  api_port     = 8470
  client_port  = local.secure ? 443 : 80
  client_cidrs = length(var.client_cidrs) > 0 ? var.client_cidrs : [data.aws_vpc.this.cidr_block]

  # Who talks to whom: from, to, port.
  ways = {
    load_balancer_gateway = [aws_security_group.load_balancer.id, aws_security_group.gateway.id, local.api_port]
    worker_gateway        = [aws_security_group.worker.id, aws_security_group.gateway.id, local.api_port]
    gateway_nats          = [aws_security_group.gateway.id, aws_security_group.nats.id, 4222]
    dispatcher_nats       = [aws_security_group.dispatcher.id, aws_security_group.nats.id, 4222]
    worker_nats           = [aws_security_group.worker.id, aws_security_group.nats.id, 4222]
    nats_nats             = [aws_security_group.nats.id, aws_security_group.nats.id, 6222]
  }

  # Who calls AWS and registries, also to be started.
  outward = {
    gateway    = aws_security_group.gateway.id
    dispatcher = aws_security_group.dispatcher.id
    nats       = aws_security_group.nats.id
  }
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  for_each          = { for i, cidr in local.client_cidrs : tostring(i) => cidr }
  security_group_id = aws_security_group.load_balancer.id
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = local.client_port
  to_port           = local.client_port
}

resource "aws_vpc_security_group_ingress_rule" "way" {
  for_each                     = local.ways
  security_group_id            = each.value[1]
  referenced_security_group_id = each.value[0]
  ip_protocol                  = "tcp"
  from_port                    = each.value[2]
  to_port                      = each.value[2]
}

# Workers may go anywhere: that is for the functions' own code to say.
resource "aws_vpc_security_group_egress_rule" "way" {
  for_each                     = { for name, way in local.ways : name => way if !startswith(name, "worker_") }
  security_group_id            = each.value[0]
  referenced_security_group_id = each.value[1]
  ip_protocol                  = "tcp"
  from_port                    = each.value[2]
  to_port                      = each.value[2]
}

resource "aws_vpc_security_group_egress_rule" "outward" {
  for_each          = local.outward
  security_group_id = each.value
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "worker" {
  security_group_id = aws_security_group.worker.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
