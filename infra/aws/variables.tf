variable "name" {
  description = "What this installation is called, and what the names of its parts begin with."
  type        = string
  default     = "multinode"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,22}[a-z0-9]$", var.name))
    error_message = "The name has 2 to 24 lowercase letters, digits and hyphens, and begins with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC to run in. It needs DNS support and DNS host names."
  type        = string
}

variable "subnet_ids" {
  description = "Three subnets of it, each in another zone, that reach the internet through a NAT gateway."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "There must be three subnets: each NATS server has a zone of its own."
  }
}

variable "image" {
  description = "The control plane's image by digest, as cmd/image prints it. Empty makes only what has to be there before: repositories, secrets, addresses and volumes."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "ARN of a certificate of ACM for the API. Without it the load balancer serves HTTP, inside the VPC only."
  type        = string
  default     = ""
}

variable "host" {
  description = "The name that the certificate is for. Point it to the load balancer (output load_balancer). Empty means the load balancer's own."
  type        = string
  default     = ""
}

variable "public_subnet_ids" {
  description = "Subnets with an internet gateway, for a load balancer that the internet can reach. It needs a certificate. Empty means a load balancer inside the VPC."
  type        = list(string)
  default     = []
}

variable "client_cidrs" {
  description = "Whose addresses may reach the API. Empty means those of the VPC."
  type        = list(string)
  default     = []
}

variable "architecture" {
  description = "Of workers, and of gateways and dispatchers: X86_64, or ARM64, which costs a fifth less."
  type        = string
  default     = "X86_64"
  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "The architecture is X86_64 or ARM64."
  }
}

variable "gateways" {
  description = "How many gateways run."
  type        = number
  default     = 2
}

variable "gateway_size" {
  description = "What each gateway has: CPU in 1/1024 of a virtual one, memory in MiB, as Fargate offers them."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 256, memory = 512 }
}

variable "dispatchers" {
  description = "How many dispatchers run."
  type        = number
  default     = 2
  validation {
    condition     = var.dispatchers >= 1
    error_message = "There must be a dispatcher."
  }
}

variable "dispatcher_size" {
  description = "What each dispatcher has, like gateway_size."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 512, memory = 1024 }
}

variable "nats_instance_type" {
  description = "Type of the three NATS servers' instances: one for arm64 that knows automatic recovery."
  type        = string
  default     = "t4g.medium"
}

variable "nats_volume_gib" {
  description = "Disk of each NATS server. It holds inputs, results, yields and logs of what is kept."
  type        = number
  default     = 50
}

variable "retention" {
  description = "How long finished invocations are kept, such as 168h."
  type        = string
  default     = "168h"
}

variable "base_image" {
  description = "The image that projects are built on, with {version} for Python's. Empty means those of Docker Hub."
  type        = string
  default     = ""
}

variable "spot" {
  description = "Run workers on FARGATE_SPOT, and on FARGATE where that has no capacity."
  type        = bool
  default     = false
}

variable "worker_policy_arns" {
  description = "Policies for what the functions' own code may do in AWS."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps what gateways, dispatchers and workers print."
  type        = number
  default     = 30
}
