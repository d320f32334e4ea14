# Changes of workers' tasks, so that dispatchers need not wait for their next look.
resource "aws_sqs_queue" "events" {
  name = "${var.name}-events"
  # What is older is known from elsewhere by then.
  message_retention_seconds  = 3600
  visibility_timeout_seconds = 30
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_events.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_events" {
  name                      = "${var.name}-events-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_cloudwatch_event_rule" "events" {
  name        = "${var.name}-tasks"
  description = "Task state changes of Multinode's workers"
  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail = {
      clusterArn = [aws_ecs_cluster.this.arn]
      # The tasks of services have other groups.
      group = [{ prefix = "family:${local.installation}-" }]
    }
  })
}

resource "aws_cloudwatch_event_target" "events" {
  rule = aws_cloudwatch_event_rule.events.name
  arn  = aws_sqs_queue.events.arn
  dead_letter_config {
    arn = aws_sqs_queue.dead_events.arn
  }
}

data "aws_iam_policy_document" "events" {
  for_each = { events = aws_sqs_queue.events.arn, dead = aws_sqs_queue.dead_events.arn }
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [each.value]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.events.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.url
  policy    = data.aws_iam_policy_document.events["events"].json
}

resource "aws_sqs_queue_policy" "dead_events" {
  queue_url = aws_sqs_queue.dead_events.url
  policy    = data.aws_iam_policy_document.events["dead"].json
}
