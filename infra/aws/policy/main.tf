# What a dispatcher may do in AWS: what its Fargate provisioner calls, no more.

variable "cluster_arn" {
  description = "ARN of the ECS cluster in which workers run."
  type        = string
}

variable "installation" {
  description = "Name that begins the families of workers' task definitions."
  type        = string
}

variable "role_arns" {
  description = "ARNs of the workers' task role and execution role."
  type        = list(string)
}

variable "queue_arn" {
  description = "ARN of the SQS queue with the cluster's task state changes."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the workers' CloudWatch log group, without a trailing :*."
  type        = string
}

locals {
  ecs   = split(":cluster/", var.cluster_arn)
  tasks = "${local.ecs[0]}:task/${local.ecs[1]}/*"
  # A definition is of a family for each image.
  definitions = "${local.ecs[0]}:task-definition/${var.installation}-*:*"
}

data "aws_iam_policy_document" "dispatcher" {
  statement {
    actions   = ["ecs:RunTask"]
    resources = [local.definitions]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster_arn]
    }
  }
  statement {
    actions   = ["ecs:StopTask", "ecs:DescribeTasks"]
    resources = [local.tasks]
  }
  # AWS knows no narrower resource for ListTasks without a container instance;
  # the condition narrows it.
  statement {
    actions   = ["ecs:ListTasks"]
    resources = ["*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [var.cluster_arn]
    }
  }
  statement {
    actions   = ["ecs:RegisterTaskDefinition"]
    resources = [local.definitions]
  }
  # AWS knows no resource for DescribeTaskDefinition.
  statement {
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }
  # Tags are given at creation only.
  statement {
    actions   = ["ecs:TagResource"]
    resources = [local.tasks, local.definitions]
    condition {
      test     = "StringEquals"
      variable = "ecs:CreateAction"
      values   = ["RunTask", "RegisterTaskDefinition"]
    }
  }
  statement {
    actions   = ["iam:PassRole"]
    resources = var.role_arns
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    resources = [var.queue_arn]
  }
  statement {
    actions   = ["logs:GetLogEvents"]
    resources = ["${var.log_group_arn}:log-stream:*"]
  }
}

output "json" {
  description = "The policy, for the dispatcher's task role."
  value       = data.aws_iam_policy_document.dispatcher.json
}
