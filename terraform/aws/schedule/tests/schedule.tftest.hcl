mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  environment        = "production"
  image              = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/tools/keyturn:0.1.0"
  configuration      = { environments = { production = { backend = { kind = "aws-kms", region = "eu-west-1" } } } }
  rotator_policy_arn = "arn:aws:iam::123456789012:policy/keyturn-production-rotator"
}

run "a_rotation_alone" {
  command = plan

  assert {
    condition     = keys(aws_scheduler_schedule.job) == ["rotate"] && keys(aws_codebuild_project.job) == ["rotate"]
    error_message = "Nothing is published unless told."
  }
  assert {
    condition = (
      jsondecode(aws_codebuild_project.job["rotate"].source[0].buildspec).phases.build.commands[1] ==
      "status=0; node /app/node_modules/keyturn/dist/cli/main.js rotate --due --environment production --config /tmp/keyturn.json || status=$?; (exit $status)"
    )
    error_message = "What is due is rotated, and its exit code is the one of the run."
  }
  assert {
    condition = (
      jsondecode(base64decode(split(" ", jsondecode(aws_codebuild_project.job["rotate"].source[0].buildspec).phases.build.commands[0])[2])) ==
      var.configuration
    )
    error_message = "The configuration is the one that was given."
  }
  assert {
    condition     = [for one in aws_iam_role_policy_attachment.job : one.policy_arn] == [var.rotator_policy_arn]
    error_message = "The job has the policy of the rotator and no other."
  }
}

run "a_publication_has_a_role_of_its_own" {
  command = plan
  variables {
    publish = {
      internal       = "s3://acme-jwks/internal/jwks.json"
      session-tokens = "s3://acme-jwks/session-tokens/jwks.json"
    }
    publisher_policy_arns = ["arn:aws:iam::123456789012:policy/keyturn-production-publisher", "arn:aws:iam::123456789012:policy/keyturn-production-jwks-publish"]
  }

  assert {
    condition = toset([for one in aws_iam_role_policy_attachment.job : "${one.role} ${one.policy_arn}"]) == toset([
      "keyturn-production-rotate arn:aws:iam::123456789012:policy/keyturn-production-rotator",
      "keyturn-production-publish arn:aws:iam::123456789012:policy/keyturn-production-publisher",
      "keyturn-production-publish arn:aws:iam::123456789012:policy/keyturn-production-jwks-publish",
    ])
    error_message = "Who publishes does not rotate."
  }
  assert {
    condition = (
      jsondecode(aws_codebuild_project.job["publish"].source[0].buildspec).phases.build.commands[1] ==
      "status=0; node /app/node_modules/keyturn/dist/cli/main.js jwks publish internal --to s3://acme-jwks/internal/jwks.json --environment production --config /tmp/keyturn.json || status=$?; node /app/node_modules/keyturn/dist/cli/main.js jwks publish session-tokens --to s3://acme-jwks/session-tokens/jwks.json --environment production --config /tmp/keyturn.json || status=$?; (exit $status)"
    )
    error_message = "Every key is published, whatever becomes of the one before."
  }
}

run "roles_that_reach_their_own_job" {
  command = plan

  assert {
    condition = toset(flatten([for one in jsondecode(aws_iam_role_policy.start.policy).Statement : concat(one.Action, one.Resource)])) == toset([
      "codebuild:StartBuild", "arn:aws:codebuild:eu-west-1:123456789012:project/keyturn-production-rotate",
    ])
    error_message = "The schedule starts its jobs and does nothing else."
  }
  assert {
    condition = toset(flatten([for one in jsondecode(aws_iam_role_policy.job["rotate"].policy).Statement : one.Resource])) == toset([
      "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/codebuild/keyturn-production-rotate",
      "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/codebuild/keyturn-production-rotate:*",
      "arn:aws:ecr:eu-west-1:123456789012:repository/tools/keyturn", "*",
    ])
    error_message = "A job writes its own log and pulls its own image."
  }
  assert {
    condition = [
      for one in jsondecode(aws_iam_role_policy.job["rotate"].policy).Statement : one.Action if contains(one.Resource, "*")
    ] == [["ecr:GetAuthorizationToken"]]
    error_message = "Logging in to ECR is all that has no narrower resource."
  }
}

run "a_target_without_a_policy" {
  command = plan
  variables {
    publish = { session-tokens = "s3://acme-jwks/session-tokens/jwks.json" }
  }
  expect_failures = [var.publisher_policy_arns]
}

run "a_command_in_the_name_of_a_key" {
  command = plan
  variables {
    publish               = { "a;id" = "s3://acme-jwks/a/jwks.json" }
    publisher_policy_arns = ["arn:aws:iam::123456789012:policy/keyturn-production-publisher"]
  }
  expect_failures = [var.publish]
}

run "a_configuration_of_another_environment" {
  command = plan
  variables {
    environment = "staging"
  }
  expect_failures = [var.configuration]
}

run "an_image_without_a_version" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/keyturn"
  }
  expect_failures = [var.image]
}
