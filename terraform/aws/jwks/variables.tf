variable "environment" {
  description = "The environment whose public keys are published."
  type        = string
  nullable    = false

  validation {
    # Also what keeps a wildcard of IAM out of the documents.
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "bucket" {
  description = "The name of the bucket to make. Nobody reads it but CloudFront."
  type        = string
  nullable    = false

  validation {
    # Without dots, which the certificate of S3 does not cover.
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket is named with 3 to 63 of a-z, 0-9 and -."
  }
}

variable "aliases" {
  description = "The host names that consumers fetch from; empty for the name that CloudFront gives."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "certificate_arn" {
  description = "The certificate of those host names, from ACM in us-east-1."
  type        = string
  default     = null

  validation {
    condition     = (var.certificate_arn != null) == (length(var.aliases) > 0)
    error_message = "Host names and their certificate are given together."
  }
}

variable "tags" {
  description = "Tags for everything that this creates."
  type        = map(string)
  default     = {}
  nullable    = false
}
