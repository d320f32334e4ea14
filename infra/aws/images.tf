resource "aws_ecr_repository" "control_plane" {
  name         = "${var.name}/control-plane"
  force_delete = true
}

# The images of deployed versions: each can be made again by a deploy.
resource "aws_ecr_repository" "projects" {
  name         = "${var.name}/projects"
  force_delete = true
}
