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
  environment = "production"
  keys = {
    session-tokens = { purpose = "sign", policy = { rotationPeriod = "30d" } }
    customer-data  = { purpose = "encrypt", deletion_window_in_days = 7 }
  }
}

run "keys_with_their_aliases" {
  command = plan

  assert {
    condition     = toset(keys(aws_kms_key.first)) == toset(["sign/session-tokens", "encrypt/customer-data"])
    error_message = "One key for each version."
  }
  assert {
    condition = toset([for alias in aws_kms_alias.first : alias.name]) == toset([
      "alias/keyturn/production/sign/session-tokens/v1", "alias/keyturn/production/encrypt/customer-data/v1",
    ])
    error_message = "Version aliases, and never the pointer."
  }
  assert {
    condition     = aws_kms_key.first["encrypt/customer-data"].deletion_window_in_days == 7
    error_message = "The deletion window is the key's own."
  }
  assert {
    condition     = toset(keys(aws_iam_policy.role)) == toset(["signer", "verifier", "encrypter", "decrypter", "publisher", "rotator", "custodian"])
    error_message = "One policy for each role."
  }
  assert {
    condition = jsonencode(output.keyturn_environment) == jsonencode({
      environments = {
        production = {
          backend         = { kind = "aws-kms", region = "eu-west-1" }
          expectedAccount = "123456789012"
          policy          = { keys = { "sign/session-tokens" = { rotationPeriod = "30d" } } }
        }
      }
    })
    error_message = "The output is a configuration file."
  }
}

run "tags_at_a_given_time" {
  command = plan
  variables {
    created_at = "2026-01-31T12:00:00Z"
    tags       = { owner = "platform" }
  }

  assert {
    condition     = aws_kms_key.first["sign/session-tokens"].tags["keyturn-activates-at"] == "1769860800"
    error_message = "The key activates when it was said."
  }
  assert {
    condition     = aws_kms_key.first["sign/session-tokens"].tags["owner"] == "platform"
    error_message = "Other people's tags stand beside Keyturn's."
  }
}

run "a_tag_of_keyturn_among_the_others" {
  command         = plan
  expect_failures = [var.tags]
  variables {
    tags = { keyturn-purpose = "encrypt" }
  }
}

run "a_deletion_window_that_aws_lacks" {
  command         = plan
  expect_failures = [var.keys]
  variables {
    keys = { session-tokens = { purpose = "sign", deletion_window_in_days = 6 } }
  }
}
