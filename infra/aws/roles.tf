# Two kinds of roles: with an execution role ECS starts a task (image, secrets, log),
# with a task role its programs call AWS.

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

locals {
  # What each execution role may read and write.
  starting = {
    gateway = {
      repository = aws_ecr_repository.control_plane.arn
      logs       = aws_cloudwatch_log_group.control_plane.arn
      secrets    = [aws_secretsmanager_secret.api_key.arn, aws_secretsmanager_secret.control_plane.arn]
    }
    dispatcher = {
      repository = aws_ecr_repository.control_plane.arn
      logs       = aws_cloudwatch_log_group.control_plane.arn
      secrets    = [aws_secretsmanager_secret.control_plane.arn, aws_secretsmanager_secret.authority.arn]
    }
    worker = {
      repository = aws_ecr_repository.projects.arn
      logs       = aws_cloudwatch_log_group.workers.arn
      secrets    = []
    }
  }
}

data "aws_iam_policy_document" "execution" {
  for_each = local.starting
  # AWS knows no resource for it.
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [each.value.repository]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${each.value.logs}:log-stream:*"]
  }
  dynamic "statement" {
    for_each = length(each.value.secrets) > 0 ? [each.value.secrets] : []
    content {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = statement.value
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each           = local.starting
  name               = "${var.name}-${each.key}-execution"
  description        = "Starts Multinode's ${each.key} tasks"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.starting
  name     = "start"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}

# Gateways call nothing of AWS.
resource "aws_iam_role" "gateway" {
  name               = "${var.name}-gateway"
  description        = "Multinode's gateways"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role" "dispatcher" {
  name               = "${var.name}-dispatcher"
  description        = "Multinode's dispatchers"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "dispatcher" {
  name   = "dispatch"
  role   = aws_iam_role.dispatcher.id
  policy = data.aws_iam_policy_document.dispatcher.json
}

# What the functions' own code may do: nothing, unless policies are attached.
resource "aws_iam_role" "worker" {
  name               = "${var.name}-worker"
  description        = "The functions' own code in Multinode's workers"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "worker" {
  count      = length(var.worker_policy_arns)
  role       = aws_iam_role.worker.name
  policy_arn = var.worker_policy_arns[count.index]
}
