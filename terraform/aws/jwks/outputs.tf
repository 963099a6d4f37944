output "publish_to" {
  description = "What `keyturn jwks publish --to` takes, before the path of a document."
  value       = "s3://${aws_s3_bucket.jwks.bucket}"
}

output "publish_policy_arn" {
  description = "The managed policy of whoever publishes, beside that of the role publisher."
  value       = aws_iam_policy.publish.arn
}

output "domain_name" {
  description = "Where consumers fetch from: https://<domain_name>/<path of a document>; also what the DNS of `aliases` points at."
  value       = aws_cloudfront_distribution.jwks.domain_name
}
