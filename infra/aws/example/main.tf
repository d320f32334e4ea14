# A control plane of Multinode in a VPC that is there already: README.md of the
# folder above says how to use it.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.66, < 7.0"
    }
  }
}

variable "region" {
  description = "The AWS region of the VPC."
  type        = string
}

variable "vpc_id" {
  description = "The VPC to run in."
  type        = string
}

variable "subnet_ids" {
  description = "Three subnets of it, each in another zone, with a NAT gateway."
  type        = list(string)
}

variable "image" {
  description = "The control plane's image. Empty the first time, when its repository is made."
  type        = string
  default     = ""
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Application = "multinode" }
  }
}

module "multinode" {
  source     = "../"
  vpc_id     = var.vpc_id
  subnet_ids = var.subnet_ids
  image      = var.image
}

output "url" {
  description = "Where the API is."
  value       = module.multinode.url
}

output "api_key_secret" {
  description = "The secret of Secrets Manager that holds the API key."
  value       = module.multinode.api_key_secret
}

output "repository" {
  description = "Where the control plane's image goes."
  value       = module.multinode.repository
}

output "nats_config" {
  description = "The arguments of `multinode` that make keys and configuration for the NATS servers."
  value       = module.multinode.nats_config
}
