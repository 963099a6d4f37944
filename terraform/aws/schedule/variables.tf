variable "environment" {
  description = "The environment whose keys are rotated."
  type        = string
  nullable    = false

  validation {
    # Also what keeps a wildcard of IAM out of the documents, and anything but a name out of a command.
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.environment))
    error_message = "An environment is named with 1 to 31 of a-z, 0-9 and -, starting with a letter."
  }
}

variable "configuration" {
  description = "The configuration of Keyturn: the output `keyturn_environment` of terraform/aws. It holds no secret."
  type        = any
  nullable    = false

  validation {
    condition     = can(var.configuration.environments[var.environment])
    error_message = "The configuration does not have the environment."
  }
}

variable "image" {
  description = "The image of docs/recipes in a private repository of ECR, with a tag or a digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9._/-]+(:[\\w.-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "An image is <account>.dkr.ecr.<region>.amazonaws.com/<repository>, with :<tag> or @<digest>."
  }
}

variable "rotator_policy_arn" {
  description = "The policy of the role rotator: role_policy_arns.rotator of terraform/aws."
  type        = string
  nullable    = false
}

variable "publisher_policy_arns" {
  description = "The policies of whoever publishes: role_policy_arns.publisher of terraform/aws, and publish_policy_arn of terraform/aws/jwks."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = (length(var.publisher_policy_arns) > 0) == (length(var.publish) > 0)
    error_message = "What is published and the policies for it are given together."
  }
}

variable "publish" {
  description = "Where the public keys of each signing key go, by its name: s3://bucket/path. Empty to publish nothing."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    # Both stand in a command of a shell.
    condition = alltrue([
      for name, target in var.publish :
      can(regex("^[a-z][a-z0-9-]*$", name)) && can(regex("^s3://[a-z0-9-]+/[A-Za-z0-9._/-]+$", target))
    ])
    error_message = "A key is named with a-z, 0-9 and -, and a target is s3://<bucket>/<path>."
  }
}

variable "rotate_schedule" {
  description = "When `keyturn rotate --due` runs: an expression of EventBridge Scheduler, in UTC."
  type        = string
  default     = "cron(17 3 * * ? *)"
  nullable    = false
}

variable "publish_schedule" {
  description = "When `keyturn jwks publish` runs: more often than `publishLag` in the policy of a key."
  type        = string
  default     = "rate(10 minutes)"
  nullable    = false
}

variable "tags" {
  description = "Tags for everything that this creates, but for schedules, which have none."
  type        = map(string)
  default     = {}
  nullable    = false
}
