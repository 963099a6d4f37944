# A bucket for the JWKS of one environment that CloudFront alone reads, and the policy of whoever runs `keyturn jwks publish`.
data "aws_partition" "this" {}

locals {
  bucket_arn = "arn:${data.aws_partition.this.partition}:s3:::${var.bucket}"
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html: CachingOptimized keeps to
  # the Cache-Control that Keyturn writes, from 1 second to a year.
  caching_optimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
}

resource "aws_s3_bucket" "jwks" {
  bucket = var.bucket
  tags   = var.tags
}

resource "aws_s3_bucket_public_access_block" "jwks" {
  bucket                  = aws_s3_bucket.jwks.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# What was published stays to be looked at, also after a bad publication.
resource "aws_s3_bucket_versioning" "jwks" {
  bucket = aws_s3_bucket.jwks.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_cloudfront_origin_access_control" "jwks" {
  name                              = var.bucket
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_distribution" "jwks" {
  comment         = "Keyturn: public keys of ${var.environment}"
  enabled         = true
  is_ipv6_enabled = true
  aliases         = var.aliases
  tags            = var.tags

  origin {
    origin_id                = "jwks"
    domain_name              = aws_s3_bucket.jwks.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.jwks.id
  }

  default_cache_behavior {
    target_origin_id       = "jwks"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    cache_policy_id        = local.caching_optimized
    viewer_protocol_policy = "https-only"
    compress               = true
  }

  # A document that is not there yet must not be missing for longer than it takes to publish it.
  custom_error_response {
    error_code            = 403
    error_caching_min_ttl = 5
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.certificate_arn == null ? true : null
    acm_certificate_arn            = var.certificate_arn
    minimum_protocol_version       = var.certificate_arn == null ? null : "TLSv1.2_2021"
    ssl_support_method             = var.certificate_arn == null ? null : "sni-only"
  }
}

resource "aws_s3_bucket_policy" "jwks" {
  bucket = aws_s3_bucket.jwks.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["${local.bucket_arn}/*"]
        Condition = {
          StringEquals = {
            "aws:SourceArn" = aws_cloudfront_distribution.jwks.arn
          }
        }
      },
      {
        Sid       = "NobodyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = ["s3:*"]
        Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# Beside the policy of the role `publisher`. Without ListBucket, S3 calls a document that is not there yet forbidden.
resource "aws_iam_policy" "publish" {
  name        = "keyturn-${var.environment}-jwks-publish"
  description = "Keyturn: write the public keys of ${var.environment} to ${var.bucket}"
  tags        = var.tags
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Publish", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = ["${local.bucket_arn}/*"] },
      { Sid = "SeeWhatIsMissing", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [local.bucket_arn] },
    ]
  })
}
