mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  environment = "production"
  bucket      = "acme-jwks"
}

run "a_private_bucket" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.jwks.block_public_acls, aws_s3_bucket_public_access_block.jwks.block_public_policy,
      aws_s3_bucket_public_access_block.jwks.ignore_public_acls, aws_s3_bucket_public_access_block.jwks.restrict_public_buckets,
    ])
    error_message = "Nobody reads the bucket but CloudFront."
  }
  assert {
    condition     = one(aws_cloudfront_distribution.jwks.default_cache_behavior).viewer_protocol_policy == "https-only"
    error_message = "Public keys are fetched over TLS."
  }
}

run "a_publisher_that_reaches_one_bucket" {
  command = plan

  assert {
    condition = toset(flatten([for one in jsondecode(aws_iam_policy.publish.policy).Statement : one.Resource])) == toset([
      "arn:aws:s3:::acme-jwks", "arn:aws:s3:::acme-jwks/*",
    ])
    error_message = "The policy names this bucket alone."
  }
  assert {
    condition = toset(flatten([for one in jsondecode(aws_iam_policy.publish.policy).Statement : one.Action])) == toset([
      "s3:GetObject", "s3:PutObject", "s3:ListBucket",
    ])
    error_message = "Nothing is deleted, and no policy is changed."
  }
}

run "host_names_without_a_certificate" {
  command = plan
  variables {
    aliases = ["auth.example.com"]
  }
  expect_failures = [var.certificate_arn]
}
