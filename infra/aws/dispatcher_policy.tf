# What a dispatcher may do in AWS: what its Fargate provisioner calls, no more.

locals {
  # arn:aws:ecs:REGION:ACCOUNT, and what begins with it.
  ecs         = split(":cluster/", aws_ecs_cluster.this.arn)[0]
  tasks       = "${local.ecs}:task/${aws_ecs_cluster.this.name}/*"
  definitions = "${local.ecs}:task-definition/${local.installation}-*:*"
}

data "aws_iam_policy_document" "dispatcher" {
  statement {
    actions   = ["ecs:RunTask"]
    resources = [local.definitions]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
    }
  }
  statement {
    actions   = ["ecs:StopTask", "ecs:DescribeTasks"]
    resources = [local.tasks]
  }
  # AWS knows no narrower resource for ListTasks without a container instance; the
  # condition narrows it.
  statement {
    actions   = ["ecs:ListTasks"]
    resources = ["*"]
    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.this.arn]
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
    resources = [aws_iam_role.worker.arn, aws_iam_role.execution["worker"].arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    resources = [aws_sqs_queue.events.arn]
  }
  statement {
    actions   = ["logs:GetLogEvents"]
    resources = ["${aws_cloudwatch_log_group.workers.arn}:log-stream:*"]
  }
  # AWS knows no resource for it.
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  # Builds push and pull with the password that the dispatcher gets them.
  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
    ]
    resources = [aws_ecr_repository.projects.arn]
  }
}
