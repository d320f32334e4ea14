output "url" {
  description = "Where the API is."
  value       = local.url
}

output "api_key_secret" {
  description = "The secret of Secrets Manager that holds the API key."
  value       = aws_secretsmanager_secret.api_key.name
}

output "load_balancer" {
  description = "What the name of the certificate has to point to."
  value       = aws_lb.api.dns_name
}

output "repository" {
  description = "Where the control plane's image goes."
  value       = aws_ecr_repository.control_plane.repository_url
}

output "nats_config" {
  description = "The arguments of `multinode` that make keys and configuration for the NATS servers. A tenth of each disk stays free."
  value = join(" ", concat(["nats-config"],
    [for n in sort(keys(local.nodes)) : "--server=${aws_network_interface.nats[n].private_ip}"],
    ["--max-store=${floor(var.nats_volume_gib * 9 / 10)}GiB"],
  ))
}

output "secrets" {
  description = "The secrets to fill, by the files that nats-config writes."
  value = merge(
    { for n, s in aws_secretsmanager_secret.nats : "nats-${n}.conf" => s.name },
    {
      "control-plane.creds" = aws_secretsmanager_secret.control_plane.name
      "authority.json"      = aws_secretsmanager_secret.authority.name
    },
  )
}
