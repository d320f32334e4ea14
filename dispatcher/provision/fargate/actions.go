package fargate

// Actions are what a dispatcher has to be allowed to do in AWS, as IAM calls it. Tests
// hold this list against the calls of this package, and the policy in infra/aws
// against this list: what is called is granted, and nothing more.
var Actions = []string{
	"ecs:RunTask", "ecs:StopTask", "ecs:DescribeTasks", "ecs:ListTasks",
	"ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition",
	// Giving tags and roles to what is made comes without a call.
	"ecs:TagResource", "iam:PassRole",
	"sqs:ReceiveMessage", "sqs:DeleteMessage",
	"logs:GetLogEvents",
	"ecr:GetAuthorizationToken",
}

// RepositoryActions are what reading and writing images in a repository of Amazon ECR
// needs, which is done by the protocol of registries.
var RepositoryActions = []string{
	"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
	"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
}
