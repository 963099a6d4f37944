# EventBridge Scheduler starts a CodeBuild project for each job, with the role of that job and no other: who rotates does not publish.
data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  partition = data.aws_partition.this.partition
  account   = data.aws_caller_identity.this.account_id
  here      = "${data.aws_region.this.region}:${local.account}"

  keyturn = "node /app/node_modules/keyturn/dist/cli/main.js"
  options = "--environment ${var.environment} --config /tmp/keyturn.json"

  jobs = {
    for job, given in {
      rotate = {
        schedule = var.rotate_schedule
        policies = [var.rotator_policy_arn]
        commands = ["rotate --due"]
      }
      publish = {
        schedule = var.publish_schedule
        policies = var.publisher_policy_arns
        commands = [for name, target in var.publish : "jwks publish ${name} --to ${target}"]
      }
    } : job => merge(given, { name = "keyturn-${var.environment}-${job}" }) if length(given.commands) > 0
  }

  project_arns = { for job, given in local.jobs : job => "arn:${local.partition}:codebuild:${local.here}:project/${given.name}" }
  log_groups   = { for job, given in local.jobs : job => "arn:${local.partition}:logs:${local.here}:log-group:/aws/codebuild/${given.name}" }

  # What CodeBuild runs. Base64, so that nothing in the configuration can end a quotation. A command that fails does not keep the others
  # from running, and the run ends with its exit code.
  scripts = {
    for job, given in local.jobs : job => [
      "printf %s ${base64encode(jsonencode(var.configuration))} | base64 -d > /tmp/keyturn.json",
      "status=0; ${join(" ", [for command in given.commands : "${local.keyturn} ${command} ${local.options} || status=$?;"])} (exit $status)",
    ]
  }

  # Keyed by place, since the names of policies may be known only after the apply.
  attachments = merge([
    for job, given in local.jobs : { for place, arn in given.policies : "${job} ${place}" => { job = job, arn = arn } }
  ]...)

  repository     = regex("^(?P<account>[0-9]+)\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[a-z.]+/(?P<name>[a-z0-9._/-]+)", var.image)
  repository_arn = "arn:${local.partition}:ecr:${local.repository.region}:${local.repository.account}:repository/${local.repository.name}"
}

resource "aws_iam_role" "job" {
  for_each = local.jobs

  name        = each.value.name
  description = "Keyturn: ${each.key} in ${var.environment}"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codebuild.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceArn" = local.project_arns[each.key] } }
    }]
  })
}

# What Keyturn itself may do: the policies of the roles, as they are.
resource "aws_iam_role_policy_attachment" "job" {
  for_each = local.attachments

  role       = aws_iam_role.job[each.value.job].name
  policy_arn = each.value.arn
}

# What CodeBuild needs beside it: the image, and a log.
resource "aws_iam_role_policy" "job" {
  for_each = local.jobs

  name = "run"
  role = aws_iam_role.job[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Log"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [local.log_groups[each.key], "${local.log_groups[each.key]}:*"]
      },
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [local.repository_arn]
      },
      # AWS has no narrower resource for it.
      { Sid = "LogIn", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
    ]
  })
}

resource "aws_codebuild_project" "job" {
  for_each = local.jobs

  name                   = each.value.name
  description            = "Keyturn: ${each.key} in ${var.environment}"
  service_role           = aws_iam_role.job[each.key].arn
  build_timeout          = 15
  queued_timeout         = 15
  concurrent_build_limit = 1
  tags                   = var.tags

  source {
    type      = "NO_SOURCE"
    buildspec = jsonencode({ version = "0.2", phases = { build = { commands = local.scripts[each.key] } } })
  }

  artifacts {
    type = "NO_ARTIFACTS"
  }

  environment {
    type                        = "LINUX_CONTAINER"
    compute_type                = "BUILD_GENERAL1_SMALL"
    image                       = var.image
    image_pull_credentials_type = "SERVICE_ROLE"
    privileged_mode             = false
  }
}

resource "aws_iam_role" "start" {
  name        = "keyturn-${var.environment}-start"
  description = "Keyturn: start the jobs of ${var.environment}"
  tags        = var.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "start" {
  name = "start"
  role = aws_iam_role.start.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Start", Effect = "Allow", Action = ["codebuild:StartBuild"], Resource = values(local.project_arns) }]
  })
}

resource "aws_scheduler_schedule" "job" {
  for_each = local.jobs

  name                = each.value.name
  description         = "Keyturn: ${each.key} in ${var.environment}"
  schedule_expression = each.value.schedule

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_codebuild_project.job[each.key].arn
    role_arn = aws_iam_role.start.arn

    # A start that is missed is made up for by the next one.
    retry_policy {
      maximum_event_age_in_seconds = 600
      maximum_retry_attempts       = 3
    }
  }
}
