# Their values come by `aws secretsmanager put-secret-value` (README.md), so that
# none of them is in Terraform's state.
resource "aws_secretsmanager_secret" "api_key" {
  name                    = "${var.name}/api-key"
  description             = "Opens Multinode's API, for everything"
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret" "control_plane" {
  name                    = "${var.name}/control-plane.creds"
  description             = "As what gateways and dispatchers come to NATS"
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret" "authority" {
  name                    = "${var.name}/authority.json"
  description             = "Signs workers' credentials, and could sign everything else"
  recovery_window_in_days = 7
}

resource "aws_secretsmanager_secret" "nats" {
  for_each                = local.nodes
  name                    = "${var.name}/nats-${each.key}.conf"
  description             = "Configuration of a NATS server"
  recovery_window_in_days = 7
}
